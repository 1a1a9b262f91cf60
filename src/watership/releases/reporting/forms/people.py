"""What people did, told: the checklist, sign-offs, decisions, waivers, messages and incidents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from watership.releases.reporting.forms.page import (
    Block,
    Cell,
    Column,
    Heading,
    Line,
    Paragraph,
    Row,
    Table,
    Tone,
    Words,
)
from watership.releases.reporting.forms.words import NOTHING, cell, file, line, lines, moment, state
from watership.releases.reporting.report import (
    ChecklistItemFacts,
    IncidentFacts,
    MessageFacts,
    PointFacts,
    ReportFacts,
)


def checklist(report: ReportFacts) -> tuple[Block, ...]:
    """Every item with every point; nothing where it is not known."""
    if report.checklist is None:
        return ()
    return tuple(_checklist(report.checklist)) or _none("The runbook has no checklist.")


def waived(report: ReportFacts) -> str:
    """How much of the checklist was let pass instead of looked at; empty where nothing was."""
    points = [point for item in report.checklist or () for point in item.points]
    many = sum(point.state == "waived" for point in points)
    if not many:
        return ""
    if many == len(points):
        return f"The whole checklist was waived: {many} of {many} points. Nothing of it was relied on."
    return f"{many} of {len(points)} points of the checklist were waived."


def _checklist(items: tuple[ChecklistItemFacts, ...]) -> Iterator[Block]:
    points = [point for item in items for point in item.points]
    if not items:
        return
    states = Counter(point.state for point in points)
    how = Counter(point.how for point in points)
    counted = ", ".join(f"{number} {name}" for name, number in states.most_common())
    ways = f"{how['measured']} measured, {how['attested']} attested"
    yield Paragraph(line(f"{len(items)} items, {len(points)} points: {counted}; {ways}."))
    columns = (
        Column("Point", share=8),
        Column("State", share=4),
        Column("Evidence", share=9),
        Column("Who", share=4),
        Column("When", share=5),
    )
    for item in items:
        yield Heading(f"{item.number}. {item.title}", id=f"check-{item.number}")
        yield Paragraph(line(state(item.state), Words(f" · section {item.section}, {item.owner}", "quiet")))
        yield Table(columns, tuple(Row(_point(point)) for point in item.points))


def _point(point: PointFacts) -> tuple[Cell, ...]:
    expires = f"until {moment(point.expires)}" if point.expires else ""
    return (
        cell(point.text),
        cell(state(point.state)),
        lines(point.evidence, None if point.file is None else file(point.file)),
        lines(point.who, "" if point.how == "unknown" else line(Words(point.how, "quiet"))),
        lines(moment(point.at) if point.at else "", line(Words(expires, "quiet")) if expires else ""),
    )


def signoffs(report: ReportFacts) -> tuple[Block, ...]:
    rows = tuple(Row((cell(each.role), cell(each.person), cell(moment(each.at)))) for each in report.signoffs)
    return _rows(("Role", "Person", "When"), rows) or _none("Nobody signed.")


def decisions(report: ReportFacts) -> tuple[Block, ...]:
    if report.decisions is None:
        return ()
    rows = tuple(
        Row((cell(moment(each.at)), cell(_who(each.who, each.role)), cell(each.what), cell(each.reason)))
        for each in report.decisions
    )
    return _rows(("When", "Who", "Decision", "Reason"), rows) or _none("Nothing was decided by anybody.")


def waivers(report: ReportFacts) -> tuple[Block, ...]:
    if report.waivers is None:
        return ()
    rows = tuple(
        Row(
            (
                cell(each.what),
                cell(_who(each.who, each.role)),
                cell(each.reason or NOTHING),
                cell(moment(each.at)),
                cell(moment(each.until)),
            )
        )
        for each in report.waivers
    )
    return _rows(("What", "Who", "Reason", "When", "Until"), rows) or _none("Nothing was waived.")


def messages(report: ReportFacts) -> tuple[Block, ...]:
    if report.messages is None:
        return ()
    rows = tuple(
        Row(
            (
                cell(moment(each.at)),
                cell(each.what),
                cell(each.channel),
                lines(each.subject, line(Words(each.evidence, "quiet")) if each.evidence else None),
                _delivery(each),
            )
        )
        for each in report.messages
    )
    return _rows(("When", "Message", "Channel", "Subject", "Delivery"), rows) or _none("No message was sent.")


_DELIVERIES: dict[str, tuple[str, Tone]] = {
    "delivered": ("✓ delivered", ""),
    "pending": ("? not yet delivered", "inconclusive"),
    "refused": ("✗ refused", "failed"),
    "given_up": ("✗ given up", "failed"),
}


def _delivery(message: MessageFacts) -> Cell:
    when = moment(message.tried_at) if message.tried_at else ""
    tries = f"{message.attempts} attempts" if message.attempts > 1 else ""
    said = "; ".join(part for part in (when, tries) if part)
    return lines(line(Words(*_DELIVERIES[message.state])), line(Words(said, "quiet")) if said else None)


def incidents(report: ReportFacts) -> tuple[Block, ...]:
    if report.incidents is None:
        return ()
    blocks = tuple(block for each in report.incidents for block in _incident(each))
    return blocks or _none("No incident was opened.")


def _incident(incident: IncidentFacts) -> Iterator[Block]:
    yield Heading(f"{incident.severity} {incident.key}: {incident.title}")
    yield Paragraph(_open(incident))
    if incident.summary:
        yield Paragraph(line(incident.summary))
    rows = tuple(Row((cell(moment(each.at)), cell(each.who), cell(each.words))) for each in incident.timeline)
    yield from _rows(("When", "Who", "What"), rows)


def _open(incident: IncidentFacts) -> Line:
    begin = f"opened {moment(incident.opened_at)} by {incident.opened_by}, "
    if incident.restored_at is not None:
        begin += f"restored {moment(incident.restored_at)}, "
    if incident.closed_at is None:
        return line(begin, Words("still open", "failed"))
    alarm = " as a false alarm" if incident.false_alarm else ""
    return line(f"{begin}closed {moment(incident.closed_at)}{alarm}")


def _who(person: str, role: str) -> str:
    return f"{person} ({role})" if role else person


def _rows(titles: tuple[str, ...], rows: tuple[Row, ...]) -> tuple[Block, ...]:
    return (Table(tuple(Column(title) for title in titles), rows),) if rows else ()


def _none(words: str) -> tuple[Block, ...]:
    return (Paragraph((Words(words, "quiet"),)),)
