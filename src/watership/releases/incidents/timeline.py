"""A timeline is an incident's own entries and its release's audit, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, assert_never

from msgspec import Struct

from watership.releases.auditing.audit import Entry, Plain
from watership.releases.book.quantity import spoken
from watership.releases.incidents.incident import (
    TRIGGERS,
    Acknowledged,
    Closed,
    Decided,
    Dismissed,
    Escalated,
    Event,
    Graded,
    Incident,
    Measured,
    Noted,
    Opened,
    Reopened,
    Restored,
    Told,
    Triggered,
)

OWN = "incident."
"""How the audit's entries about incidents begin: the incident tells of them itself."""

AN_INCIDENT = " an incident"
"""How acts about incidents end, for which a right is needed."""

MOST_LINES = 2_000
"""Of the audit; a longer span is cut in its middle, and says so."""

WORDS = 400


class Line(Struct, frozen=True, kw_only=True):
    """Something that happened, `offset` seconds after the opening."""

    at: datetime
    offset: float
    who: str
    what: str
    source: Literal["incident", "audit"]

    @property
    def when(self) -> str:
        """The offset as people write it: `T+5m`."""
        return f"T{'-' if self.offset < 0 else '+'}{spoken(abs(round(self.offset))) or '0s'}"


def timeline(incident: Incident, entries: Sequence[Entry]) -> list[Line]:
    """What happened from its beginning on, until it was closed."""
    own = [_line(incident, each.at, each.who, words(each), "incident") for each in incident.events]
    first = min(filter(None, (incident.opening.began, incident.opening.at, incident.opened_at)))
    last = incident.closed_at
    there = [
        each
        for each in entries
        if _concerns(incident, each) and first <= each.at and (last is None or each.at <= last)
    ]
    others = [_line(incident, each.at, each.actor, _told(each), "audit") for each in _cut(there)]
    return sorted([*own, *others], key=lambda line: line.at)


def words(event: Event) -> str:  # noqa: PLR0912 - one case for each event
    """What happened, in a line."""
    match event:
        case Opened(opening=opening):
            return f"opened ({opening.severity}): {opening.title}. {opening.symptom}"
        case Noted(text=text):
            return text
        case Measured(text=text):
            return f"measured: {text}"
        case Told(seat=seat, text=text):
            return _with(f"{seat} was told", text)
        case Graded(severity=severity, text=text):
            return _with(f"severity is now {severity}", text)
        case Acknowledged():
            return "acknowledged"
        case Escalated(level=level, seat=seat, because=because):
            return f"level {level}: {seat} was told, because: {because}"
        case Triggered(trigger=trigger, text=text):
            return _with(f"escalated because of: {TRIGGERS[trigger]}", text)
        case Decided(decision=decision):
            return f"decided: {decision}"
        case Restored(text=text):
            return f"restored: {text}"
        case Reopened(text=text):
            return f"opened again: {text}"
        case Closed(text=text):
            return _with("closed", text)
        case Dismissed(text=text):
            return f"closed as a false alarm: {text}"
        case _:
            assert_never(event)


def _concerns(incident: Incident, entry: Entry) -> bool:
    release = incident.opening.release
    return bool(release) and entry.facts.get("release") == release and not _own(entry)


def _own(entry: Entry) -> bool:
    """It tells of what the incident tells itself, or of the right to say it."""
    granted = entry.action == "authority.granted" and str(entry.facts.get("act", "")).endswith(AN_INCIDENT)
    return granted or entry.action.startswith(OWN)


def _cut(entries: list[Entry]) -> list[Entry]:
    half = MOST_LINES // 2
    return entries if len(entries) <= MOST_LINES else [*entries[:half], *entries[-half:]]


def _told(entry: Entry) -> str:
    facts = {name: value for name, value in entry.facts.items() if name != "release"}
    text = ", ".join(f"{name} {_short(value)}" for name, value in facts.items())
    return (f"{entry.action}: {text}" if text else entry.action)[:WORDS]


def _short(value: object) -> Plain | str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _with(first: str, text: str) -> str:
    return f"{first}: {text}" if text else first


def _line(
    incident: Incident, at: datetime, who: str, what: str, source: Literal["incident", "audit"]
) -> Line:
    return Line(at=at, offset=(at - incident.opened_at).total_seconds(), who=who, what=what, source=source)
