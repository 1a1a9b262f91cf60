"""A report is told in one order, whatever its form: how it ended, what went otherwise, and then all of it."""

from __future__ import annotations

from collections.abc import Iterator

from watership.releases.book.quantity import percent
from watership.releases.judging.gate import Sums
from watership.releases.reporting.chart import Drawing, drawn
from watership.releases.reporting.forms import people
from watership.releases.reporting.forms.charts import charts
from watership.releases.reporting.forms.page import (
    Block,
    Column,
    Figures,
    Heading,
    Page,
    Paragraph,
    Picture,
    Row,
    Section,
    Table,
    Tone,
    Words,
)
from watership.releases.reporting.forms.words import (
    NOTHING,
    cell,
    line,
    lines,
    moment,
    number,
    offset,
    place,
    seconds,
    verdict,
)
from watership.releases.reporting.report import DeviationFacts, GateFacts, ItemFacts, Outcome, ReportFacts

_OUTCOMES: dict[Outcome, tuple[str, Tone]] = {
    "promoted": ("✓ Promoted", ""),
    "rolled_back": ("↩ Rolled back", "rolled_back"),
    "stopped": ("■ Stopped before anything that serves was changed", "stopped"),
    "running": ("… Running", ""),
}

UNKNOWN = "unknown"


def page_of(report: ReportFacts) -> Page:
    """The whole report, section by section; one that has nothing to say is left out."""
    outcome = Words(*_OUTCOMES[report.outcome])
    sections = (
        Section("figures", "Figures", _figures(report)),
        Section("deviations", "Deviations", _deviations(report)),
        Section("traffic", "Traffic", _traffic(report)),
        Section("timeline", "Timeline", _timeline(report)),
        Section("checklist", "Checklist", people.checklist(report)),
        Section("items", "Items", _items(report)),
        Section("gates", "Gates", tuple(_gates(report))),
        Section("sign-offs", "Sign-offs", people.signoffs(report)),
        Section("decisions", "Decisions", people.decisions(report)),
        Section("waivers", "Waivers", people.waivers(report)),
        Section("messages", "Messages", people.messages(report)),
        Section("incidents", "Incidents", people.incidents(report)),
        Section("runs", "Runs by deployment", _runs(report)),
        Section("delivery", "Delivery figures", _dora(report)),
        Section("record", "Record", _record(report)),
    )
    return Page(
        title=report.release,
        outcome=outcome,
        lead=tuple(_lead(report)),
        sections=tuple(each for each in sections if each.blocks),
    )


def _lead(report: ReportFacts) -> Iterator[Paragraph]:
    live, nxt = report.live, report.next
    yield Paragraph(line(report.reason))
    yield Paragraph(
        line(
            f"{live.version} ",
            place(live),
            f" → {nxt.version} ",
            place(nxt),
            f" in {report.environment}, started by {report.starter}",
        )
    )
    times = f"{moment(report.started_at)} – {moment(report.ended_at)}. {report.access}"
    yield Paragraph((Words(times, "quiet"),))
    if waived := people.waived(report):
        yield Paragraph((Words(waived, "inconclusive"),))
    if report.rehearsal:
        words = "A rehearsal: its calendar leapt, and every time here is one of its own clock."
        yield Paragraph((Words(words, "inconclusive"),))
    if report.left_out:
        words = f"It did without {', '.join(report.left_out)}: of these it proves nothing."
        yield Paragraph((Words(words, "inconclusive"),))
    if report.clock_factor != 1:
        words = f"A rehearsal: the calendar was scaled by {report.clock_factor:.3g}."
        yield Paragraph((Words(words, "inconclusive"),))
    if report.cannot_see:
        blind = f"Cannot see: {', '.join(report.cannot_see)}."
        words = f"{blind} Nothing measures these here, so their fuses could not blow."
        yield Paragraph((Words(words, "quiet"),))
    if report.untold:
        words = f"Never told: {', '.join(report.untold)}. Their sources said nothing, so these fuses could not blow."
        yield Paragraph((Words(words, "inconclusive"),))


def _figures(report: ReportFacts) -> tuple[Block, ...]:
    return (Figures(report.figures),) if report.figures else ()


def _deviations(report: ReportFacts) -> tuple[Block, ...]:
    if not report.deviations:
        return (Paragraph(line("Nothing was late, over its budget, retried or overtaken.")),)
    ids = _ids(report.items)
    rows = tuple(
        Row((cell(each.kind), cell(Words(each.subject, to=_place(each, ids))), cell(each.words)))
        for each in report.deviations
    )
    return (Table((Column("What", share=1), Column("Where", share=3), Column("How", share=5)), rows),)


def _place(deviation: DeviationFacts, ids: dict[str, str]) -> str:
    """The id of what a deviation befell."""
    return ids.get(deviation.item, "items" if deviation.kind == "not reached" else "timeline")


def _ids(items: tuple[ItemFacts, ...]) -> dict[str, str]:
    """An item's id on the page, by its key. Keys are text of others; numbers need no care."""
    return {item.key: f"item-{position}" for position, item in enumerate(items, start=1)}


def _traffic(report: ReportFacts) -> tuple[Block, ...]:
    if not report.blue and not report.green:
        words = "No traffic is on record: nothing was served, or what counted it does not answer any more."
        return (Paragraph((Words(words, "quiet"),)),)
    return tuple(_picture(drawn(chart)) for chart in charts(report))


def _picture(drawing: Drawing) -> Picture:
    chart = drawing.chart
    left_out = f"; evenly spread seconds, {drawing.left_out} are left out" if drawing.left_out else ""
    rows = tuple(
        Row(
            (
                cell(f"{at:.0f}"),
                *(cell(NOTHING if value is None else f"{value:.2f}") for value in values),
            )
        )
        for at, values in drawing.rows
    )
    columns = (Column("second", number=True), *(Column(each.name, number=True) for each in chart.series))
    return Picture(drawing, Table(columns, rows, caption=f"{chart.title}, {chart.unit}{left_out}"))


def _timeline(report: ReportFacts) -> tuple[Block, ...]:
    columns = (
        Column("Phase"),
        Column("planned at", number=True),
        Column("started at", number=True),
        Column("later by", number=True),
        Column("budget", number=True),
        Column("took", number=True),
        Column("attempts", number=True),
    )
    rows = tuple(
        Row(
            (
                cell(phase.title),
                cell(offset(phase.planned_start)),
                cell(offset(phase.actual_start)),
                cell(_later(phase.planned_start, phase.actual_start)),
                cell(seconds(phase.planned_seconds)),
                cell(seconds(phase.actual_seconds)),
                cell(str(phase.attempts)),
            )
        )
        for phase in report.phases
    )
    return (Table(columns, rows),) if rows else ()


def _later(planned: float | None, actual: float | None) -> str:
    return seconds(None if planned is None or actual is None else actual - planned)


def _items(report: ReportFacts) -> tuple[Block, ...]:
    ids = _ids(report.items)
    columns = (
        Column("Item", share=8),
        Column("Verdict", share=4),
        Column("Evidence", share=11),
        Column("planned", number=True, share=4),
        Column("later by", number=True, share=3),
        Column("tries", number=True, share=3),
        Column("took", number=True, share=3),
    )
    rows = tuple(
        Row(
            (
                lines(item.title, line(Words(item.key, "quiet", code=True))),
                cell(verdict(item.verdict)),
                lines(item.evidence, line(Words(moment(item.at), "quiet")) if item.at else None),
                cell(offset(item.planned_start)),
                cell(_later(item.planned_start, item.actual_start)),
                cell(str(item.attempts)),
                cell(seconds(item.seconds)),
            ),
            id=ids[item.key],
        )
        for item in report.items
    )
    return (Table(columns, rows),)


def _gates(report: ReportFacts) -> Iterator[Block]:
    if not report.gates:
        yield Paragraph((Words("No gate was asked.", "quiet"),))
    for gate in report.gates:
        yield Heading(gate.name)
        yield Paragraph(line(gate.guarantee))
        yield from _judgement(gate)
        yield from _power(gate)


def _judgement(gate: GateFacts) -> Iterator[Block]:
    if gate.judgement is None:
        return
    yield Paragraph(line(verdict(gate.judgement.verdict)))
    yield Paragraph(line(gate.judgement.reason))
    columns = (
        Column("Arm"),
        Column("next", number=True),
        Column("live", number=True),
        Column("evidence against", number=True),
        Column("refuses at", number=True),
        Column("evidence for", number=True),
        Column("passes at", number=True),
    )
    yield Table(
        columns,
        tuple(
            Row(
                (
                    cell(arm.name),
                    cell(_part(arm.next)),
                    cell(_part(arm.live)),
                    cell(number(arm.e_value)),
                    cell(number(arm.refuses_at)),
                    cell(number(arm.content)),
                    cell(number(arm.content_at)),
                )
            )
            for arm in gate.judgement.arms
        ),
    )


def _part(sums: Sums) -> str:
    """How many were bad; of what runs spend, parts of one are summed up."""
    bad = f"{sums.bad:,}" if isinstance(sums.bad, int) else f"{sums.bad:,.1f}"
    return f"{bad} of {sums.samples:,}"


def _power(gate: GateFacts) -> Iterator[Block]:
    if gate.power is None:
        return
    traffic = gate.power.traffic
    columns = (
        Column("More errors"),
        Column("seen in about", number=True),
        Column("95 of 100 times within", number=True),
    )
    rows = tuple(
        Row((cell(percent(row.regression)), cell(seconds(row.expected)), cell(seconds(row.within))))
        for row in gate.power.rows
    )
    caption = (
        f"What it could see at {traffic.per_second:.3g} requests per second, {percent(traffic.share)} on next"
    )
    yield Table(columns, rows, caption=caption)


def _runs(report: ReportFacts) -> tuple[Block, ...]:
    columns = (
        Column("Deployment"),
        Column("in flight at the cutover", number=True),
        Column("in flight now", number=True),
        Column("finished", number=True),
    )
    rows = tuple(
        Row(
            (
                cell(f"{runs.version} ", Words(runs.deployment, "quiet", code=True)),
                cell(NOTHING if runs.at_cutover is None else str(runs.at_cutover)),
                cell(str(runs.now)),
                cell(str(runs.finished)),
            )
        )
        for runs in report.runs
    )
    return (Table(columns, rows),) if rows else ()


def _dora(report: ReportFacts) -> tuple[Block, ...]:
    columns = (
        Column("Figure", share=4),
        Column("Value", share=4),
        Column("Definition", share=10),
        Column("sample", number=True, share=3),
    )
    rows = tuple(
        Row(
            (
                cell(each.name),
                cell(Words(UNKNOWN, "inconclusive") if each.value is None else each.value),
                cell(each.definition),
                cell(f"{each.samples} of {each.of}"),
            )
        )
        for each in report.dora
    )
    return (Table(columns, rows),) if rows else ()


def _record(report: ReportFacts) -> tuple[Block, ...]:
    rows = [
        ("Plan", cell(Words(report.fingerprint, code=True))),
        ("Runbook", cell(f"{report.runbook} ", Words(report.runbook_sha256, code=True))),
        (
            "Builds",
            tuple(
                line(f"{side.version} ", Words(side.digest, code=True)) for side in (report.live, report.next)
            ),
        ),
        ("Audit", cell(_audited(report), _sealed(report), Words(report.audit_head, code=True))),
    ]
    if report.records_astray:
        rows.append(("Records", cell(Words(f"✗ {report.records_astray}", "failed"))))
    if report.written_at is not None:
        rows.append(("Written", cell(moment(report.written_at))))
    parts = ("checklist", "decisions", "waivers", "messages", "incidents")
    unknown = [name for name in parts if getattr(report, name) is None]
    if unknown:
        words = f"{', '.join(unknown)}: this report was written without knowing whether there were any"
        rows.append(("Not covered", cell(Words(words, "inconclusive"))))
    return (
        Table((Column("", share=1), Column("", share=6)), tuple(Row((cell(name), of)) for name, of in rows)),
    )


def _audited(report: ReportFacts) -> Words:
    if report.audit_verified is None:
        return Words("? not verified", "inconclusive")
    return Words("✓ verified") if report.audit_verified else Words("✗ broken", "failed")


def _sealed(report: ReportFacts) -> Words:
    seal = {
        "signed": ", its head is signed",
        "unchecked": ", its head's signature was not checked",
        "none": ", its head is not signed",
        None: "",
    }[report.audit_seal]
    return Words(f", {report.audit_count} entries{seal}; head ")
