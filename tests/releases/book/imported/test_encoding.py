"""Text that was encoded twice is set right, and honest text is left alone."""

from __future__ import annotations

import pytest

from watership.releases.book.imported.encoding import repaired


def twice(text: str) -> str:
    """What an editor makes of UTF-8 that it takes for Windows-1252; the five bytes it lacks pass through."""
    return "".join(bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in text.encode())


@pytest.mark.parametrize(
    "text", ["✓", "✗ Database issue", "→ Phase 2", "10 µs", "naïve à la carte", "🚨 ROLLBACK", "–“”"]
)
def test_what_was_encoded_twice_is_as_it_was(text: str) -> None:
    assert twice(text) != text
    mended, times = repaired(twice(text))
    assert mended == text
    assert times == sum(ord(character) > 127 for character in text)


@pytest.mark.parametrize(
    "text", ["✓ ok", "├─ App v2.0.5", "« CAFÉ »", "«CAFÉ»", "ça", "Ã", "â€", "Straße — Übung", "🚨"]
)
def test_what_was_encoded_once_is_left_alone(text: str) -> None:
    assert repaired(text) == (text, 0)
