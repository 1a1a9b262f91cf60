"""A cursor names a place in the list of runs: opaque to whoever holds it."""

from __future__ import annotations

from watership.errors import BadInput

_DIGITS = 18
"""As many as surely fit into a database's integer."""


def spell_cursor(serial: int) -> str:
    """The cursor of the page that follows the `serial`-th run made."""
    return str(serial)


def parse_cursor(text: str) -> int:
    """The place in creation order that a cursor names. Raises BadInput for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise BadInput(f"{text!r} is not a cursor.", fix="Pass the `next` of the page before, unchanged.")
    return int(text)
