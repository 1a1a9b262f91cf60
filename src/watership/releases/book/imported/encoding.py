"""Text that was encoded twice is set right: `âœ“`, whose UTF-8 somebody read as Windows-1252, is `✓` again."""

from __future__ import annotations

import re

# How the bytes 0x80 to 0xBF look in Windows-1252; the five it leaves undefined pass as control characters.
_FOLLOWING = "".join(
    bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in range(0x80, 0xC0)
)
# Only the first bytes of what runbooks hold: accented letters, punctuation, arrows, ticks, emoji. Any others would
# also be found in honest text: É» ends a French quotation.
_TWICE = re.compile(
    rf"[ÂÃ][{re.escape(_FOLLOWING)}]|[âï][{re.escape(_FOLLOWING)}]{{2}}|ð[{re.escape(_FOLLOWING)}]{{3}}"
)


def repaired(text: str) -> tuple[str, int]:
    """The text with every doubly encoded character set right, and how many those were."""
    times = 0

    def right(found: re.Match[str]) -> str:
        nonlocal times
        try:
            once = b"".join(_byte(character) for character in found[0]).decode()
        except UnicodeDecodeError:
            return found[0]
        times += 1
        return once

    return _TWICE.sub(right, text), times


def _byte(character: str) -> bytes:
    return bytes([ord(character)]) if ord(character) < 0x100 else character.encode("cp1252")
