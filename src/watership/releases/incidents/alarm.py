"""An alarm is a fact about a release that opens an incident by rule: once for each rule and release."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from msgspec import Struct

from watership.releases.auditing.audit import Entry
from watership.releases.book.quantity import spoken
from watership.releases.incidents.incident import Incident, Opening, Severity, Trigger, due
from watership.releases.judging.fuse import Action, Blown
from watership.releases.measurement import Measurement
from watership.releases.service.sla import Compliance, threatened
from watership.releases.verdict import Verdict

SEVERITIES = {
    Action.ROLL_BACK: Severity.CRITICAL,
    Action.FREEZE: Severity.CRITICAL,
    Action.PAGE: Severity.HIGH,
    Action.INVESTIGATE: Severity.MEDIUM,
}
"""What a fuse calls for says how bad it is."""

URGENT: dict[str, Trigger] = {"security breach": "security", "data corruption": "data_loss"}
"""Fuses that go up a level at once."""

SLA_HOURS = 24.0
"""An error budget that will not last so long threatens the SLA."""

WORDS = 2_000


class FuseBlown(Struct, frozen=True, kw_only=True):
    """A fuse has blown on a release."""

    release: str
    blown: Blown
    at: datetime
    began: datetime | None = None


class WindowFailed(Struct, frozen=True, kw_only=True):
    """A point of a window after the deployment was measured. Only `failed` is an alarm."""

    release: str
    window: str
    point: str
    text: str
    got: Measurement


class WindowUnmet(Struct, frozen=True, kw_only=True):
    """A window after the deployment is over, and nobody knows of a point: it did not pass."""

    release: str
    window: str
    point: str
    text: str
    words: str
    at: datetime


class UpdateMissed(Struct, frozen=True, kw_only=True):
    """A status update was not sent, or reached nobody; `what` says which. `due`: when it was, where that is known."""

    release: str
    what: str
    at: datetime
    due: datetime | None = None


class TakenBack(Struct, frozen=True, kw_only=True):
    """A release was taken back without a person's order."""

    release: str
    why: str
    at: datetime


class Promised(Struct, frozen=True, kw_only=True):
    """An objective of the SLA as it stands. One that is missed, or will be soon, is an alarm, since `at`."""

    found: Compliance
    at: datetime
    release: str = ""


Alarm = FuseBlown | WindowFailed | WindowUnmet | UpdateMissed | TakenBack | Promised


def incidents_due(alarms: Sequence[Alarm], incidents: Sequence[Incident]) -> list[Opening]:
    """The incidents to be opened now, most severe first.

    A rule that has an incident going on for its release opens no other; nor does an alarm from before that one ended.
    """
    found: dict[tuple[str, str], Opening] = {}
    for alarm in alarms:
        opening = opening_of(alarm)
        if opening is not None and due(opening, incidents):
            found.setdefault(opening.key, opening)
    order = list(Severity)
    return sorted(found.values(), key=lambda opening: order.index(opening.severity))


def opening_of(alarm: Alarm) -> Opening | None:
    """What an alarm opens an incident with; None for what is no alarm."""
    match alarm:
        case FuseBlown(blown=blown):
            urgent = URGENT.get(blown.fuse)
            return Opening(
                rule=f"fuse: {blown.fuse}",
                release=alarm.release,
                title=_first(blown.fuse),
                symptom=_short(f"{blown.fuse}: {blown.reason}"),
                severity=SEVERITIES[blown.action],
                at=alarm.at,
                began=alarm.began,
                triggers=(urgent,) if urgent else (),
                facts={"action": blown.action.value},
            )
        case WindowFailed(got=got):
            if got.verdict is not Verdict.FAILED:
                return None
            return Opening(
                rule=f"window: {alarm.window}/{alarm.point}",
                release=alarm.release,
                title=_short(alarm.text, 200),
                symptom=_short(got.evidence),
                severity=Severity.HIGH,
                at=got.ended,
                facts=dict(got.facts),
            )
        case WindowUnmet():
            return Opening(
                rule=f"window: {alarm.window}/{alarm.point}",
                release=alarm.release,
                title=_short(alarm.text, 200),
                symptom=_short(f"The window is over, and this is not known: {alarm.words}"),
                severity=Severity.MEDIUM,
                at=alarm.at,
            )
        case UpdateMissed(due=due):
            late = "" if due is None else spoken((alarm.at - due).total_seconds()) or "0s"
            return Opening(
                rule="status update missed",
                release=alarm.release,
                title="A status update was missed",
                symptom=_short(f"{alarm.what}{f'; it is {late} late' if late else ''}"),
                severity=Severity.MEDIUM,
                at=alarm.at,
                began=due,
            )
        case TakenBack():
            return Opening(
                rule="rollback",
                release=alarm.release,
                title="The release was taken back automatically",
                symptom=_short(alarm.why),
                severity=Severity.CRITICAL,
                at=alarm.at,
            )
        case Promised():
            return _promised(alarm)
        case _:
            assert_never(alarm)


def broken(found: Compliance) -> bool:
    """Whether a promise is missed, or is kept and will not be for long. What is not known is neither."""
    soon = found.verdict is Verdict.PASSED and threatened(found, within=SLA_HOURS * 3600)
    return soon or found.verdict is Verdict.FAILED


def _promised(alarm: Promised) -> Opening | None:
    found = alarm.found
    missed = found.verdict is Verdict.FAILED
    if not broken(found):
        return None
    return Opening(
        rule=f"sla: {found.id}",
        release=alarm.release,
        title=f"{found.title}: the SLA is {'missed' if missed else 'threatened'}",
        symptom=_short(f"{found.title} is {found.now}; promised is {found.target}. {found.reason}".strip()),
        severity=Severity.HIGH,
        at=alarm.at,
        triggers=("sla",),
    )


ALARMING = frozenset(
    {
        *(f"release.{each}" for each in ("freeze", "page", "investigate")),
        *(f"release.take_back.{each.value}" for each in Verdict),
        "notice.missed",
    }
)
"""The actions of the audit among which alarms are."""


def alarms_in(entries: Sequence[Entry]) -> list[Alarm]:
    """The alarms that stand in the audit: fuses that page, rollbacks that nobody ordered, status updates missed."""
    found: list[Alarm] = []
    for entry in entries:
        release = str(entry.facts.get("release", ""))
        action = entry.action.removeprefix("release.")
        if action in {"freeze", "page", "investigate"}:
            blown = Blown(
                fuse=str(entry.facts.get("fuse", "")),
                action=Action(action),
                reason=str(entry.facts.get("reason", "")),
            )
            found.append(FuseBlown(release=release, blown=blown, at=entry.at))
        elif action.startswith("take_back.") and entry.facts.get("automatic") is True:
            why = str(entry.facts.get("why") or "no reason is on record")
            found.append(TakenBack(release=release, why=why, at=entry.at))
        elif action == "notice.missed":
            what = str(entry.facts.get("what") or "A status update was missed")
            found.append(UpdateMissed(release=release, what=what, at=entry.at))
    return found


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _short(text: str, most: int = WORDS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
