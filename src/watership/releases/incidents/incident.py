"""An incident is what happened to it, event by event: opened, acknowledged, escalated, decided, restored, closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, Protocol, get_args

from msgspec import Meta, Struct
from msgspec.structs import replace

from watership.errors import BadInput, Conflict, NotFound
from watership.releases.auditing.audit import Plain

MOST = 2_000
"""Characters of what somebody says."""

Words = Annotated[str, Meta(min_length=1, max_length=MOST)]

MOST_EVENTS = 5_000
"""Of one incident; whoever writes more has a program that writes in a circle."""


class Severity(StrEnum):
    """How bad it is. The first is the most urgent."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"


class State(StrEnum):
    OPEN = "open"  # nobody of the level that was told last has taken it on
    ACKNOWLEDGED = "acknowledged"  # somebody has
    RESTORED = "restored"  # the service is as it should be; what is left is to be written down
    CLOSED = "closed"


Trigger = Literal["unresolved", "business_impact", "sla", "security", "data_loss"]
"""What makes an incident go up a level at once."""

TRIGGERS: dict[Trigger, str] = {
    "unresolved": "issue unresolved after its time",
    "business_impact": "critical business impact",
    "sla": "customer SLA violation imminent",
    "security": "security incident",
    "data_loss": "data loss risk",
}
assert set(TRIGGERS) == set(get_args(Trigger))


class Opening(Struct, frozen=True, kw_only=True):
    """What an incident is opened with. `rule` is empty where a person opens it.

    `at`: when it was noticed; `began`: when the trouble itself began, where that is known.
    """

    rule: str
    release: str
    title: Words
    symptom: Words
    severity: Severity
    at: datetime
    began: datetime | None = None
    triggers: tuple[Trigger, ...] = ()
    facts: dict[str, Plain] = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.rule, self.release


class _Happened(Struct, frozen=True, kw_only=True, tag_field="kind"):
    incident: str
    at: datetime
    who: str


class Opened(_Happened, frozen=True, kw_only=True, tag="opened"):
    opening: Opening


class Noted(_Happened, frozen=True, kw_only=True, tag="noted"):
    text: Words


class Measured(_Happened, frozen=True, kw_only=True, tag="measured"):
    """Something was looked at; `text` says what and what it was."""

    text: Words


class Told(_Happened, frozen=True, kw_only=True, tag="told"):
    """A seat was told, again or besides the levels."""

    seat: str
    text: str = ""


class Graded(_Happened, frozen=True, kw_only=True, tag="graded"):
    severity: Severity
    text: str = ""


class Acknowledged(_Happened, frozen=True, kw_only=True, tag="acknowledged"):
    """`who` has taken it on, for the level that was told last."""


class Escalated(_Happened, frozen=True, kw_only=True, tag="escalated"):
    """A level was told. It has to acknowledge anew."""

    level: int
    seat: str
    because: str


class Triggered(_Happened, frozen=True, kw_only=True, tag="triggered"):
    """Something holds that makes it go up a level at once."""

    trigger: Trigger
    text: str = ""


class Decided(_Happened, frozen=True, kw_only=True, tag="decided"):
    decision: Words


class Restored(_Happened, frozen=True, kw_only=True, tag="restored"):
    """The service is as it should be; `text` says by what that is known."""

    text: Words


class Reopened(_Happened, frozen=True, kw_only=True, tag="reopened"):
    text: Words


class Closed(_Happened, frozen=True, kw_only=True, tag="closed"):
    text: str = ""


class Dismissed(_Happened, frozen=True, kw_only=True, tag="dismissed"):
    """It was a false alarm: there was nothing to restore."""

    text: Words


Event = (
    Opened
    | Noted
    | Measured
    | Told
    | Graded
    | Acknowledged
    | Escalated
    | Triggered
    | Decided
    | Restored
    | Reopened
    | Closed
    | Dismissed
)

_S = State
_ANY = {"noted", "measured", "told", "graded"}
MOVES: dict[State, dict[str, State]] = {
    _S.OPEN: dict.fromkeys(_ANY | {"escalated", "triggered", "decided"}, _S.OPEN)
    | {"acknowledged": _S.ACKNOWLEDGED, "restored": _S.RESTORED, "dismissed": _S.CLOSED},
    _S.ACKNOWLEDGED: dict.fromkeys(_ANY | {"acknowledged", "triggered", "decided"}, _S.ACKNOWLEDGED)
    # Who is told next has not taken it on yet.
    | {"escalated": _S.OPEN, "restored": _S.RESTORED, "dismissed": _S.CLOSED},
    _S.RESTORED: dict.fromkeys(_ANY, _S.RESTORED) | {"reopened": _S.OPEN, "closed": _S.CLOSED},
    # What was learned is often known a day later.
    _S.CLOSED: {"noted": _S.CLOSED},
}
"""State → what may happen → the state after it. Code, test and documentation read this one table."""

ACTIVE = frozenset({State.OPEN, State.ACKNOWLEDGED})
"""It is going on."""

RESTORE_FIRST: Final = "watership incident update --restored WORDS, or: incident close --false-alarm WORDS"
"""What mends that somebody closes an incident that is still active."""


class Incident(Struct, frozen=True, kw_only=True):
    """Where an incident stands, by its events. Moments are the first of their kind since it was last opened."""

    id: str
    opening: Opening
    state: State
    severity: Severity
    opened_at: datetime
    opened_by: str
    since: datetime
    """When it was opened, or reopened last: its timer runs from there."""
    level: int = 0
    told_at: datetime | None = None
    """When somebody was told last."""
    raised: int = 1
    """The level that it is due at whatever the time is."""
    triggers: tuple[Trigger, ...] = ()
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    decided_at: datetime | None = None
    decided_by: str = ""
    decision: str = ""
    restored_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    false_alarm: bool = False
    events: tuple[Event, ...] = ()

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def ended_at(self) -> datetime | None:
        """When the trouble was over."""
        return self.restored_at or self.closed_at

    @property
    def resolution(self) -> str:
        """By what one knows that it is over; empty while it is not."""
        last = next((each for each in reversed(self.events) if isinstance(each, Restored | Dismissed)), None)
        return last.text if last is not None and not self.active else ""

    def lasted(self, now: datetime) -> timedelta:
        """Its timer: since it was opened, until the service was restored."""
        return (self.ended_at or now) - self.opened_at


Decide = Callable[[Sequence[Incident]], Event | None]
"""What is to happen next, by the incidents as they stand; None for nothing."""


class Incidents(Protocol):
    """Keeps what happened to incidents. What was added is on disk before `add` returns."""

    async def all(self) -> Sequence[Incident]:
        """In the order in which they were opened."""

    async def add(self, decide: Decide) -> Incident | None:
        """Let `decide` see them while nobody else writes, and keep its event: the incident after it.

        Raises Conflict, with nothing kept, where the event is none that may happen there.
        """


def kind(event: Event) -> str:
    return str(event.__struct_config__.tag)


def fold(events: Sequence[Event]) -> list[Incident]:
    """Every incident, as its events left it. Raises Conflict at the first that may not happen."""
    found: dict[str, Incident] = {}
    for event in events:
        found[event.incident] = happened(found.get(event.incident), event)
    return list(found.values())


def happened(incident: Incident | None, event: Event) -> Incident:
    """The incident after an event. Raises Conflict for one that may not happen there."""
    if isinstance(event, Opened):
        return _opened(incident, event)
    if incident is None:
        raise NotFound(f"There is no incident {event.incident}.", fix="watership incident list --all")
    name = kind(event)
    if name not in MOVES[incident.state]:
        early = name == "closed" and incident.state in ACTIVE
        fix = RESTORE_FIRST if early else f"watership incident show {incident.id}"
        raise Conflict(f"Incident {incident.id} is {incident.state} and cannot be {name}.", fix=fix)
    if len(incident.events) >= MOST_EVENTS:
        raise Conflict(f"Incident {incident.id} has {MOST_EVENTS:,} entries; nothing more is kept of it.")
    moved = replace(incident, state=MOVES[incident.state][name], events=(*incident.events, event))
    return _changed(moved, event)


def _opened(incident: Incident | None, event: Opened) -> Incident:
    if incident is not None:
        raise Conflict(f"Incident {event.incident} was opened already.")
    return Incident(
        id=event.incident,
        opening=event.opening,
        state=State.OPEN,
        severity=event.opening.severity,
        opened_at=event.at,
        opened_by=event.who,
        since=event.at,
        raised=2 if event.opening.triggers else 1,
        triggers=event.opening.triggers,
        events=(event,),
    )


def _changed(incident: Incident, event: Event) -> Incident:
    """What an event says besides the move."""
    match event:
        case Graded(severity=severity):
            return replace(incident, severity=severity)
        case Acknowledged() if incident.acknowledged_at is None:
            return replace(incident, acknowledged_at=event.at, acknowledged_by=event.who)
        case Escalated(level=level):
            return replace(incident, level=max(level, incident.level), told_at=event.at)
        case Told():
            return replace(incident, told_at=event.at)
        case Triggered(trigger=trigger):
            raised = max(incident.raised, max(incident.level, 1) + 1)
            return replace(incident, raised=raised, triggers=(*incident.triggers, trigger))
        case Decided(decision=decision):
            return replace(incident, decided_at=event.at, decided_by=event.who, decision=decision)
        case Restored():
            return replace(incident, restored_at=event.at)
        case Reopened():
            return replace(
                incident,
                since=event.at,
                restored_at=None,
                acknowledged_at=None,
                level=0,
                raised=1,
                told_at=None,
            )
        case Closed() | Dismissed():
            alarm = isinstance(event, Dismissed)
            return replace(incident, closed_at=event.at, closed_by=event.who, false_alarm=alarm)
        case _:
            return incident


def opened(opening: Opening, *, who: str, at: datetime) -> Decide:
    """Open an incident, unless the same rule has one for the same release; one that was restored is opened again."""

    def decide(incidents: Sequence[Incident]) -> Event | None:
        if opening.rule and not due(opening, incidents):
            return None
        same = last_of(incidents, opening) if opening.rule else None
        if same is not None and same.state is State.RESTORED:
            return Reopened(incident=same.id, at=at, who=who, text=opening.symptom)
        return Opened(incident=f"INC-{len(incidents) + 1}", at=at, who=who, opening=opening)

    return decide


def _before_its_end(opening: Opening, same: Incident) -> bool:
    """What was noticed before it was over is no news of something that is not over."""
    return same.ended_at is not None and opening.at <= same.ended_at


def due(opening: Opening, incidents: Sequence[Incident]) -> bool:
    """Whether an incident is to be opened, or opened again, with it."""
    same = last_of(incidents, opening)
    return same is None or not (same.active or _before_its_end(opening, same))


def last_of(incidents: Sequence[Incident], opening: Opening) -> Incident | None:
    """The last incident of the same rule and release."""
    return next((each for each in reversed(incidents) if each.opening.key == opening.key), None)


def chosen(incidents: Sequence[Incident], name: str | None) -> Incident:
    """The incident of that name, or the only one that is not closed. Raises NotFound, BadInput."""
    if name is not None:
        found = next((each for each in incidents if each.id.casefold() == name.casefold()), None)
        if found is None:
            raise NotFound(f"There is no incident {name}.", fix="watership incident list --all")
        return found
    there = [each for each in incidents if each.state is not State.CLOSED]
    if not there:
        raise NotFound("No incident is open.", fix="watership incident open TITLE --severity high")
    if len(there) > 1:
        raise BadInput(f"Which one? There are {', '.join(each.id for each in there)}.", fix="Name it.")
    return there[0]


def critical(incidents: Sequence[Incident], release: str) -> tuple[str, ...]:
    """The critical ones that are going on and concern a release, or no release but the service, in words."""
    return tuple(
        f"{each.id} {each.opening.title}"
        for each in incidents
        if each.active and each.severity is Severity.CRITICAL and each.opening.release in ("", release)
    )


def said(text: str) -> str:
    """Somebody's words, as long as an incident takes them. Raises BadInput."""
    flat = text.strip()
    if not flat or len(flat) > MOST:
        raise BadInput(f"Between one and {MOST:,} characters are kept.")
    return flat
