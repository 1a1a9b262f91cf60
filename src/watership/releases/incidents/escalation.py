"""Who is told of an incident when: level by level as time passes, and at once where something makes it urgent.

The times run from the opening and do not stop for an acknowledgement: it ends the repetition of what the present
level was told, until the next level's time has come. Only a restored service, or a false alarm, ends the climb.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from watership.releases.book.quantity import spoken
from watership.releases.book.team import Escalation, Level
from watership.releases.incidents.incident import (
    TRIGGERS,
    Acknowledged,
    Escalated,
    Event,
    Incident,
    State,
    Told,
)

AGAIN_SECONDS = 300.0
"""A level that does not acknowledge is told again: three times before the next one is."""

USUAL = Escalation(
    levels=(
        Level(
            level=1,
            title="On-call engineer",
            seat="on_call",
            after=0.0,
            powers=("Investigate issue", "Execute standard troubleshooting", "Escalate if unresolved"),
        ),
        Level(
            level=2,
            title="Engineering lead",
            seat="engineering_lead",
            after=900.0,
            powers=("Provide technical guidance", "Authorize emergency changes", "Escalate if critical"),
        ),
        Level(
            level=3,
            title="VP engineering",
            seat="vp_engineering",
            after=1800.0,
            powers=(
                "Business decision authority",
                "Executive communication",
                "Authorize emergency procedures",
            ),
        ),
    ),
    triggers=(
        "Issue unresolved after 15 minutes",
        "Critical business impact",
        "Customer SLA violation imminent",
        "Security incident",
        "Data loss risk",
    ),
)
"""The runbook's, where no team says otherwise."""


class Due(Struct, frozen=True, kw_only=True):
    """A level that is to be told now. `at`: since when; `again`: it was told before, and nobody has taken it on."""

    incident: str
    level: int
    title: str
    seat: str
    powers: tuple[str, ...]
    at: datetime
    because: str
    again: bool = False


def due_escalations(incident: Incident, now: datetime, plan: Escalation) -> list[Due]:
    """Who is to be told at `now`, lowest level first; empty while nobody is."""
    if not incident.active:
        return []
    climbs = [
        _due(incident, level, _moment(incident, level, now), _because(incident, level))
        for level in plan.levels
        if level.level > incident.level and _moment(incident, level, now) <= now
    ]
    if climbs:
        return climbs
    again = _again(incident)
    if again is None or again > now:
        return []
    present = [level for level in plan.levels if level.level == incident.level]
    because = f"again, as nobody has acknowledged within {spoken(AGAIN_SECONDS)}"
    return [_due(incident, level, again, because, again=True) for level in present]


def recorded(due: Due, *, who: str, at: datetime) -> Event:
    """What is kept once the level was told."""
    if due.again:
        return Told(incident=due.incident, at=at, who=who, seat=due.seat, text=due.because)
    return Escalated(
        incident=due.incident, at=at, who=who, level=due.level, seat=due.seat, because=due.because
    )


def reaction(incident: Incident) -> timedelta | None:
    """From the opening until somebody of any level took it on first; None while nobody has."""
    first = next((each.at for each in incident.events if isinstance(each, Acknowledged)), None)
    return None if first is None else first - incident.opened_at


def _moment(incident: Incident, level: Level, now: datetime) -> datetime:
    """When a level's time comes; what was raised is due at once."""
    by_time = incident.since + timedelta(seconds=level.after)
    return min(by_time, now) if level.level <= incident.raised else by_time


def _again(incident: Incident) -> datetime | None:
    if incident.state is not State.OPEN or incident.told_at is None:
        return None
    return incident.told_at + timedelta(seconds=AGAIN_SECONDS)


def _because(incident: Incident, level: Level) -> str:
    if level.level == 1:
        return f"it was opened as {incident.severity}"
    if level.level <= incident.raised and incident.triggers:
        return TRIGGERS[incident.triggers[-1]]
    return f"{TRIGGERS['unresolved']} ({spoken(level.after)})"


def _due(incident: Incident, level: Level, at: datetime, because: str, *, again: bool = False) -> Due:
    return Due(
        incident=incident.id,
        level=level.level,
        title=level.title,
        seat=level.seat,
        powers=level.powers,
        at=at,
        because=because,
        again=again,
    )
