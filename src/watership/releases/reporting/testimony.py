"""Testimony is what stands beside a release's journal: the checklist, decisions, waivers, messages, incidents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from watership.releases.decide import CONTROLLER
from watership.releases.incidents.incident import Incident
from watership.releases.incidents.timeline import words
from watership.releases.journal import Fold
from watership.releases.notices.outbox import Delivery
from watership.releases.order import Release
from watership.releases.readiness.records import Decided, Declined, Record, Waived
from watership.releases.readiness.standing import ItemStanding, PointStanding, standing
from watership.releases.reporting.report import (
    ChecklistItemFacts,
    DecisionFacts,
    EvidenceFile,
    IncidentFacts,
    MessageFacts,
    Moment,
    PointFacts,
    WaiverFacts,
)

_DECISIONS = {"go": "GO", "no_go": "NO-GO"}


def checklist(
    release: Release,
    records: Sequence[Record] | None,
    files: Mapping[str, EvidenceFile],
    at: datetime | None,
) -> tuple[ChecklistItemFacts, ...] | None:
    """Every item as it stood at a moment: what came later counts, and what ran out later had not run out yet.

    None where nobody can say.
    """
    if records is None or at is None:
        return None
    build = release.plan.next.build.digest
    found = standing(release.plan.checklist, records, build=build, now=at, zero=release.zero)
    return tuple(_item(item, files) for item in found)


def _item(item: ItemStanding, files: Mapping[str, EvidenceFile]) -> ChecklistItemFacts:
    return ChecklistItemFacts(
        number=item.number,
        key=item.id,
        title=item.title,
        section=item.section,
        owner=item.owner,
        state=item.state,
        points=tuple(_point(point, files) for point in item.points),
    )


def _point(point: PointStanding, files: Mapping[str, EvidenceFile]) -> PointFacts:
    file = files.get(point.evidence) if point.evidence else None
    words = [point.words, "" if file else point.evidence]
    return PointFacts(
        text=point.text,
        state=point.state,
        how=point.how,
        who=point.by,
        evidence="; ".join(part for part in words if part),
        file=file,
        at=point.at,
        expires=point.expires_at,
    )


def decisions(state: Fold, records: Sequence[Record] | None) -> tuple[DecisionFacts, ...] | None:
    """GO and NO-GO, what was declined, people's orders, and what the controller decided by itself; in their order."""
    if records is None:
        return None
    found = [*_recorded(records), *_ordered(state), *_automatic(state)]
    return tuple(sorted(found, key=lambda each: each.at))


def _recorded(records: Sequence[Record]) -> Iterator[DecisionFacts]:
    for record in records:
        match record:
            case Decided():
                parts = (
                    ("issue", record.issue),
                    ("mitigation", record.mitigation),
                    ("rescheduled", record.rescheduled),
                    ("informed", record.informed),
                )
                said = [record.reason, *(f"{name}: {words}" for name, words in parts if words)]
                yield DecisionFacts(
                    at=record.at,
                    who=record.person,
                    role=record.role,
                    what=_DECISIONS[record.decision],
                    reason="; ".join(each for each in said if each),
                )
            case Declined():
                yield DecisionFacts(
                    at=record.at,
                    who=record.person,
                    role=record.role,
                    what="declined to sign",
                    reason=record.reason,
                )
            case _:
                pass


def _ordered(state: Fold) -> Iterator[DecisionFacts]:
    for each in state.orders:
        order = each.order
        yield DecisionFacts(at=each.at, who=order.who, what=f"ordered {order.kind}", reason=order.reason)


def _automatic(state: Fold) -> Iterator[DecisionFacts]:
    for record in state.records:
        if record.act == "take_back" and record.got.facts.get("automatic") is True:
            why = str(record.got.facts.get("why", ""))
            yield DecisionFacts(at=record.got.began, who=CONTROLLER, what="took it back", reason=why)


def waivers(release: Release, records: Sequence[Record] | None) -> tuple[WaiverFacts, ...] | None:
    """Points of the checklist that were waived for this build, and a quarantine that was."""
    if records is None:
        return None
    build = release.plan.next.build
    found = [
        WaiverFacts(
            what=", ".join(record.points),
            who=record.person,
            role=record.role,
            reason=record.reason,
            at=record.at,
            until=record.until,
        )
        for record in records
        if isinstance(record, Waived) and record.build == build.digest
    ]
    if release.waived_by is not None:
        found.append(WaiverFacts(what=f"the quarantine of {build.version}", who=release.waived_by))
    return tuple(found)


def messages(release: str, known: Sequence[Delivery] | None) -> tuple[MessageFacts, ...] | None:
    """The messages of a release through each channel, in the order in which they were put out."""
    if known is None:
        return None
    return tuple(
        MessageFacts(
            at=each.put_at,
            what=each.message.kind,
            channel=each.channel,
            subject=each.message.subject,
            state=each.state,
            attempts=each.attempts,
            tried_at=each.tried_at,
            evidence=each.evidence,
        )
        for each in known
        if each.message.release == release
    )


def incidents(release: str, known: Sequence[Incident] | None) -> tuple[IncidentFacts, ...] | None:
    """The incidents of a release, in the order in which they were opened."""
    if known is None:
        return None
    return tuple(_incident(each) for each in known if each.opening.release == release)


def _incident(incident: Incident) -> IncidentFacts:
    return IncidentFacts(
        key=incident.id,
        severity=incident.severity.value.upper(),
        title=incident.opening.title,
        opened_at=incident.opened_at,
        opened_by=incident.opened_by,
        restored_at=incident.restored_at,
        closed_at=incident.closed_at,
        false_alarm=incident.false_alarm,
        summary=incident.opening.symptom,
        timeline=tuple(Moment(at=event.at, who=event.who, words=words(event)) for event in incident.events),
    )
