"""Text for our files: words become ids, and any text a single value that the strict loader reads as it was."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from watership.releases.book.imported.outline import plain

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9 /&()._'<>+-]*")
_WORDS: Final = ("true", "false")


def slug(words: str, taken: Iterable[str] = (), *, joint: str = "-", most: int = 50) -> str:
    """An id of these words that is not taken yet."""
    joined = plain(words).replace(" ", joint)[:most].strip(joint)
    first = joined if joined[:1].isalpha() else f"x{joint}{joined}".strip(joint)
    others = set(taken)
    numbered = (f"{first}{joint}{number}" for number in range(2, len(others) + 3))
    return next(each for each in (first, *numbered) if each not in others)


def scalar(text: str) -> str:
    """Text as a single value that the strict loader reads as this very text."""
    if _PLAIN.fullmatch(text) and text not in _WORDS and not text.endswith(" "):
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """Text between quotation marks; what cannot be seen is escaped."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
