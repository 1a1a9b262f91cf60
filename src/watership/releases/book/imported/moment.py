"""Moments and windows as a document writes them: `T-24 hours`, `T+5 to T+25 min`, `0-15 minutes`, `30+ minutes`."""

from __future__ import annotations

import re

from watership.releases.book.imported.seed import Window

_UNIT = r"(?P<{}>seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)?\b"
_MOMENT = re.compile(rf"T(?P<at>[+-]\d+)\s*{_UNIT.format('unit')}", re.IGNORECASE)
_SPAN = re.compile(rf"(?P<start>\d+)\s*[-–]\s*(?P<end>\d+)\s*{_UNIT.format('unit')}", re.IGNORECASE)
_OPEN = re.compile(rf"(?P<start>\d+)\+\s*{_UNIT.format('unit')}", re.IGNORECASE)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def moment(text: str) -> float | None:
    """Seconds from the start, where the text states such a moment."""
    found = _MOMENT.match(text.strip())
    return _seconds(found["at"], found["unit"]) if found else None


def window(text: str) -> Window:
    """A window, with its ends as far as the text states them. An end without a unit has the other one's."""
    moments = list(_MOMENT.finditer(text))
    if moments:
        unit = next((found["unit"] for found in reversed(moments) if found["unit"]), None)
        ends = [_seconds(found["at"], found["unit"] or unit) for found in moments]
        return Window(text=text, start=ends[0], end=ends[1] if len(ends) > 1 else None)
    if span := _SPAN.search(text):
        return Window(
            text=text, start=_seconds(span["start"], span["unit"]), end=_seconds(span["end"], span["unit"])
        )
    if begun := _OPEN.search(text):
        return Window(text=text, start=_seconds(begun["start"], begun["unit"]))
    return Window(text=text)


def _seconds(number: str, unit: str | None) -> float | None:
    if unit is None:
        return 0.0 if int(number) == 0 else None
    return int(number) * _SECONDS[unit[0].lower()]
