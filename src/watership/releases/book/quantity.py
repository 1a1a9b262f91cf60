"""Quantities of a runbook: durations, offsets and shares, as people write them and as numbers."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

Duration = Annotated[float, Meta(ge=0, extra={"text": "duration"})]
"""Seconds; written `60s`, `5m`, `24h`, `250ms`."""
Offset = Annotated[float, Meta(extra={"text": "offset"})]
"""Seconds from the start of the release; written `T-24h`, `T+0m`, `T+45m`."""
Share = Annotated[float, Meta(ge=0, le=1, extra={"text": "share"})]
"""A part of 1; written `0.1%`, `50%`."""

Number = Annotated[float, Meta(ge=0, extra={"text": "number"})]
"""A plain number, decimals too; written `1000`, `0.05`."""

Given = bool | int | float | str
Parameter = Annotated[Given, Meta(extra={"text": "parameter"})]
"""What a check is given: `4h` is 14400.0 seconds, `90%` is 0.9, `1000` is 1000, the rest is text."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OFFSET = re.compile(r"T([+-])(.+)")


def duration(text: str) -> float:
    """`5m` → 300.0. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a duration such as 60s, 5m or 24h")
    return round(float(found[1]) * _SECONDS[found[2]], 3)


def share(text: str) -> float:
    """`0.1%` → 0.001. Raises ValueError."""
    found = _SHARE.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a percentage such as 0.1% or 50%")
    return float(f"{float(found[1]) / 100:.12g}")


def offset(text: str) -> float:
    """`T-24h` → -86400.0. Raises ValueError."""
    found = _OFFSET.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not an offset such as T-24h or T+45m")
    seconds = duration(found[2])
    return -seconds if found[1] == "-" and seconds else seconds


def number(text: str) -> float:
    """`0.05` → 0.05. Raises ValueError."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"'{text}' is not a number such as 1000 or 0.05")
    return float(text)


HOURS = 48
"""Up to so many a moment of the calendar is told in hours: the day before is T-24h to everybody."""


def moment(at: float) -> str:
    """A moment of the calendar as a runbook writes it, from its seconds: -86400.0 → `T-24h`."""
    hours, rest = divmod(abs(at), 3600)
    words = f"{hours:.0f}h" if not rest and 0 < hours <= HOURS else spoken(abs(at)) or "0m"
    return f"T{'-' if at < 0 else '+'}{words}"


def spoken(seconds: float) -> str:
    """Seconds as a person writes them: 90.0 → `1m 30s`."""
    if 0 < seconds < 1:
        return f"{1000 * seconds:.0f}ms"
    if seconds < 60:
        return f"{seconds:.3g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = zip((days, hours, minutes, rest), "dhms", strict=True)
    return " ".join(f"{value}{unit}" for value, unit in parts if value)


def percent(share: float | None) -> str:
    """0.001 as "0.1 %"; what is not known as "unknown"."""
    return "unknown" if share is None else f"{100 * share:.3g} %"


def parameter(text: str) -> float | str:
    """A duration or a share where the text is one, else the text itself."""
    for read in (duration, share):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def listed(text: str) -> tuple[str, ...]:
    """`a, b` → ("a", "b"): how a parameter names several things."""
    return tuple(word for each in text.split(",") if (word := each.strip()))


def written(kind: str, value: float) -> str:
    """A quantity as a file holds it, in the largest unit that is exact: (duration, 300.0) → `5m`."""
    match kind:
        case "share":
            return f"{100 * value:.12g}%"
        case "offset":
            if 0 <= value < 7200 and (value / 60).is_integer():
                return f"T+{int(value / 60)}m"  # as a calendar counts: T+55m, T+60m, T+65m
            return f"T{'-' if value < 0 else '+'}{written('duration', abs(value))}"
        case _:
            units = [unit for unit in ("h", "m", "s") if value and (value / _SECONDS[unit]).is_integer()]
            unit = (*units, "ms" if value < 1 and value else "s")[0]
            return f"{value / _SECONDS[unit]:.12g}{unit}"


READERS = {"duration": duration, "offset": offset, "share": share, "number": number}
"""How text becomes a number, by the `text` of a type's Meta."""

PATTERNS = {
    "duration": rf"^{_DURATION.pattern}$",
    "offset": rf"^T[+-]{_DURATION.pattern}$",
    "share": rf"^{_SHARE.pattern}$",
}
"""What the text of a quantity looks like; the patterns are those of JSON Schema too."""
