"""What is due follows from the comms, the situation, the clock and what was told already, and from nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from watership.releases.notices.comms import MISSED, Comms, Sending
from watership.releases.notices.issues import FUSE
from watership.releases.notices.notice import Incident, Issue, Message, Notice
from watership.releases.notices.situation import Situation

LATE = 1 / 3
"""Of a status' interval: what is told later than that was missed, though it is told all the same."""

SHORTEST_SECONDS = 5.0
"""Between two statuses of a rehearsal, however fast its clock: the messenger looks once a second."""

SLOTS = 5_000
"""Statuses that are looked back upon: seven weeks of them."""


def due(
    comms: Comms,
    situation: Situation,
    told: Mapping[str, Message],
    now: datetime,
    *,
    undelivered: Collection[str] = frozenset(),
) -> list[Notice]:
    """The notices that are to be told at `now` and were not. `told` is every message that was ever put out, by its
    id; `undelivered` the ids of those that have reached nobody yet. Asked again with the answer told, it is silent."""
    if comms.of("incident"):
        # A fuse that pages opens an incident: nobody needs to hear of it twice.
        others = tuple(issue for issue in situation.issues if not issue.key.startswith(FUSE))
        situation = replace(situation, issues=others)
    found: list[Notice] = []
    for sending, tail in _numbered(comms):
        if sending.every is not None:
            found += _statuses(sending, tail, situation, now)
        elif sending.kind == "issue":
            missed = _missed(comms, situation, told, now, undelivered)
            found += _issues(sending, tail, situation, now, told=told, missed=missed)
        elif sending.kind == "incident":
            found += _incidents(sending, tail, situation, now)
        else:
            found += _moments(sending, tail, situation, now)
    return [notice for notice in found if notice.id not in told]


def next_status(comms: Comms, situation: Situation, now: datetime) -> datetime | None:
    """When the next status is due; None when there is none to come."""
    intervals = [_interval(sending, situation) for sending in comms.send if sending.every is not None]
    if situation.window is None or not situation.running or not intervals:
        return None
    begins = situation.window.begins
    return min(begins + interval * (max((now - begins) // interval, 0) + 1) for interval in intervals)


def slot_id(at: datetime, tail: str = "") -> str:
    """`status/2026-11-29T10:15Z`; with seconds where the slot has any."""
    form = "%Y-%m-%dT%H:%MZ" if at.second == at.microsecond == 0 else "%Y-%m-%dT%H:%M:%S.%fZ"
    return f"status{tail}/{at:{form}}"


def _numbered(comms: Comms) -> Iterator[tuple[Sending, str]]:
    """Each sending with what tells its ids from those of others on the same moment."""
    seen: dict[object, int] = {}
    for sending in comms.send:
        moment = sending.on or "every"
        yield sending, f"-{seen[moment] + 1}" if moment in seen else ""
        seen[moment] = seen.get(moment, 0) + 1


def _moments(sending: Sending, tail: str, situation: Situation, now: datetime) -> Iterator[Notice]:
    """What is told once: at an offset, at the start, at the promotion, at a rollback and its end."""
    name, thread, window = situation.name, f"release/{situation.name}", situation.window
    offset = sending.offset
    if offset is not None:
        if window is not None and not situation.over:
            at = window.begins + timedelta(seconds=offset * situation.factor)
            if at <= now:
                yield _notice(sending, f"announce{tail}/{name}/{sending.on}", at, thread)
        return
    back = situation.rollback
    match sending.on:
        case "release.started" if situation.began is not None:
            yield _notice(sending, f"started{tail}/{name}", situation.began, thread)
        case "release.approved" if situation.approvals and not situation.missing:
            yield _notice(sending, f"approved{tail}/{name}", situation.approvals[-1].at, thread)
        case "release.decided" if situation.decision is not None:
            at = situation.decision.at
            yield _notice(sending, f"decided{tail}/{name}/{at:%Y-%m-%dT%H:%M:%SZ}", at, thread)
        case "release.done" if situation.promoted and back is None:
            yield _notice(sending, f"success{tail}/{name}", now, thread, ends=True)
        case "rollback.started" if back is not None:
            thread = f"rollback{tail}/{name}"
            yield _notice(sending, f"rollback{tail}/{name}", back.began or now, thread)
            if back.done:
                yield _notice(sending, f"rollback{tail}/{name}/done", now, thread, ends=True)


def _statuses(sending: Sending, tail: str, situation: Situation, now: datetime) -> Iterator[Notice]:
    """The newest slot's while it runs, and how it ended: at the promotion, and when it is over."""
    name, thread = situation.name, f"release/{situation.name}"
    slots = _slots(sending, situation, now)
    if slots and situation.running:
        yield _notice(sending, slot_id(slots[-1], tail), slots[-1], thread)
    if situation.promoted and situation.rollback is None:
        yield _notice(sending, f"status{tail}/{name}/promoted", now, thread, ends=True)
    if situation.over:
        yield _notice(sending, f"status{tail}/{name}/ended", situation.ended or now, thread, ends=True)


def _slots(sending: Sending, situation: Situation, now: datetime) -> list[datetime]:
    """The moments for a status that have passed, the newest last."""
    if situation.window is None:
        return []
    begins, interval = situation.window.begins, _interval(sending, situation)
    passed = max((now - begins) // interval, 0)
    slots = [begins + interval * number for number in range(max(1, passed - SLOTS), passed + 1)]
    if situation.promoted and situation.rollback is not None and (back := situation.rollback.began):
        return [slot for slot in slots if slot > back]  # nothing was due between promotion and rollback
    return slots


def _interval(sending: Sending, situation: Situation) -> timedelta:
    assert sending.every is not None
    # A rehearsal's day is shorter, and so are its intervals.
    return timedelta(seconds=max(sending.every * situation.factor, SHORTEST_SECONDS))


def _missed(
    comms: Comms,
    situation: Situation,
    told: Mapping[str, Message],
    now: datetime,
    undelivered: Collection[str],
) -> list[Issue]:
    """A status that was not told in time, and one that reached nobody before the next was due. Slots that were missed
    one after the other are one issue, named by the first. Where the calendar leaps nothing can be missed."""
    if not situation.running or situation.leaps:
        return []
    found: list[Issue] = []
    for sending, tail in _numbered(comms):
        if sending.every is None:
            continue
        slots = _slots(sending, situation, now)
        untold: list[datetime] = []
        for slot in slots:
            late = now - slot > LATE * _interval(sending, situation)
            if slot_id(slot, tail) in told:
                if slot != slots[-1] and slot_id(slot, tail) in undelivered:
                    found.append(_missing([slot], tail, "reached nobody"))
                found += [_missing(untold, tail, "was not sent in time")] if untold else []
                untold = []
            elif late:
                untold.append(slot)
        found += [_missing(untold, tail, "was not sent in time")] if untold else []
    return found


def _missing(slots: list[datetime], tail: str, what: str) -> Issue:
    first, last = slots[0], slots[-1]
    span = f"{first:%H:%M}" if first == last else f"{first:%H:%M} to {last:%H:%M}"
    return Issue(
        key=f"missed/{slot_id(first, tail)}/{what.replace(' ', '-')}",
        priority=MISSED,
        title=f"The status of {span} UTC {what}",
        symptoms=(f"{len(slots)} status {'update' if len(slots) == 1 else 'updates'} {what}.",),
        actions=("watership notify log", "watership notify test"),
        since=first,
    )


def _issues(
    sending: Sending,
    tail: str,
    situation: Situation,
    now: datetime,
    *,
    told: Mapping[str, Message],
    missed: list[Issue],
) -> Iterator[Notice]:
    """Each issue once, and once more when it is over. What was missed stays so for as long as statuses are sent."""
    prefix = f"issue{tail}/{situation.name}/"
    current = {f"{prefix}{issue.key}" for issue in situation.issues}
    for issue in (*situation.issues, *missed):
        if not sending.wants(issue.priority):
            continue
        identity = f"{prefix}{issue.key}"
        yield _notice(sending, identity, issue.since or now, identity, issue=issue)
    for identity, message in told.items():
        lasts = identity in current or (situation.running and identity.startswith(f"{prefix}missed/"))
        if identity.startswith(prefix) and not (lasts or message.ends or message.by):
            priority = message.priority or "MEDIUM"
            over = Issue(key=identity.removeprefix(prefix), priority=priority, title=message.title)
            yield _notice(sending, f"{identity}/resolved", now, identity, issue=over, ends=True)


def _incidents(sending: Sending, tail: str, situation: Situation, now: datetime) -> Iterator[Notice]:
    for incident in situation.incidents:
        if not sending.wants(incident.priority):
            continue
        thread = f"incident{tail}/{incident.thread}"
        yield _notice(sending, thread, incident.opened_at, thread, incident=incident)
        if incident.acknowledged_by:
            taken_on = f"{thread}/acknowledged"
            yield _notice(sending, taken_on, now, thread, incident=incident, acknowledges=True)
        if incident.closed_at is not None:
            closed = incident.closed_at
            yield _notice(sending, f"{thread}/closed", closed, thread, incident=incident, ends=True)


def _notice(
    sending: Sending,
    identity: str,
    at: datetime,
    thread: str,
    *,
    issue: Issue | None = None,
    incident: Incident | None = None,
    acknowledges: bool = False,
    ends: bool = False,
) -> Notice:
    return Notice(
        id=identity,
        kind=sending.kind,
        template=sending.template,
        to=sending.to,
        at=at,
        thread=thread,
        issue=issue,
        incident=incident,
        acknowledges=acknowledges,
        ends=ends,
    )
