"""A report is one page that shows what a release did: self-contained, printable, without scripts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from watership.releases.chart import Chart, Mark, Series, drawn
from watership.releases.gate import Judgement, Verdict, percent
from watership.releases.power import PowerTable
from watership.releases.quantity import spoken

# One point a second for three hours; beyond that a chart has more points than a screen has pixels.
MAX_POINTS = 10_800

Outcome = Literal["promoted", "rolled_back", "stopped", "running"]
Place = Literal["blue", "green"]


class Side(Struct, frozen=True, kw_only=True):
    """A version in its place."""

    version: str
    digest: str
    deployment: str
    place: Place


class PhaseFacts(Struct, frozen=True, kw_only=True):
    """A phase as planned and as it went; seconds from the start of the release, None where it did not."""

    title: str
    planned_start: float
    planned_seconds: float
    actual_start: float | None = None
    actual_seconds: float | None = None
    attempts: int = 0


class ItemFacts(Struct, frozen=True, kw_only=True):
    """An item with what was found. `evidence` is the measurement in words; verdict None was not reached."""

    key: str
    title: str
    verdict: Verdict | None = None
    evidence: str = ""
    attempts: int = 0
    seconds: float | None = None
    at: datetime | None = None


class SlotSecond(Struct, frozen=True, kw_only=True):
    """What one place served in the second `at` (seconds from the start); None was not measured."""

    at: float
    requests: int
    error_rate: float | None = None
    latency_p95: float | None = None


class WeightStep(Struct, frozen=True, kw_only=True):
    """At `at` seconds from the start next's weight became `weight`, a part of 1."""

    at: float
    weight: float


class GateFacts(Struct, frozen=True, kw_only=True):
    """A gate's promise and its last word."""

    name: str
    guarantee: str
    judgement: Judgement | None = None
    power: PowerTable | None = None


class SignOffFacts(Struct, frozen=True, kw_only=True):
    role: str
    person: str
    at: datetime


class RunsOf(Struct, frozen=True, kw_only=True):
    """In-flight runs of one deployment, when the traffic moved and now."""

    deployment: str
    version: str
    at_cutover: int | None
    """None where it was not counted."""
    now: int
    finished: int


class Figure(Struct, frozen=True):
    """A number with its name."""

    name: str
    value: str


class ReportFacts(Struct, frozen=True, kw_only=True):
    """Everything a report says. It is rendered, never judged, here."""

    release: str
    environment: str
    outcome: Outcome
    reason: str
    live: Side
    next: Side
    started_at: datetime
    ended_at: datetime | None = None
    starter: str
    fingerprint: str
    runbook: str
    runbook_sha256: str
    access: str
    cannot_see: tuple[str, ...] = ()
    """The fuses that nothing measured."""
    clock_factor: float = 1.0
    signoffs: tuple[SignOffFacts, ...] = ()
    phases: tuple[PhaseFacts, ...] = ()
    items: tuple[ItemFacts, ...] = ()
    gates: tuple[GateFacts, ...] = ()
    blue: tuple[SlotSecond, ...] = ()
    green: tuple[SlotSecond, ...] = ()
    weights: tuple[WeightStep, ...] = ()
    runs: tuple[RunsOf, ...] = ()
    figures: tuple[Figure, ...] = ()
    audit_count: int = 0
    audit_head: str = ""
    audit_verified: bool | None = None


_WORDS = {
    "promoted": ("✓", "Promoted"),
    "rolled_back": ("↩", "Rolled back"),
    "stopped": ("■", "Stopped before anything that serves was changed"),
    "running": ("…", "Running"),
}
_MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.INCONCLUSIVE: "?"}


def _verdict(verdict: Verdict | None) -> str:
    return f"{_MARKS[verdict]} {verdict.value}" if verdict else "– not reached"


def _moment(at: datetime | None) -> str:
    return at.isoformat(sep=" ", timespec="seconds") if at else "–"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"−{spoken(-value)}" if value < 0 else spoken(value)


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" if value < 1e9 else f"{value:.1e}"


def _environment() -> Environment:
    page = Environment(
        loader=PackageLoader("watership.releases", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters.update(verdict=_verdict, moment=_moment, seconds=_seconds, percent=percent, number=_number)
    return page


_PAGE = _environment()


def render(report: ReportFacts) -> str:
    """The report as one HTML document; every text of it is escaped."""
    mark, word = _WORDS[report.outcome]
    return _PAGE.get_template("report.html.j2").render(
        report=report, mark=mark, word=word, charts=[drawn(chart) for chart in charts(report)]
    )


def charts(report: ReportFacts) -> list[Chart]:
    """Error rate and latency of both places, with the steps of the weight marked."""
    marks = tuple(Mark(step.at, percent(step.weight)) for step in report.weights)
    places = (("blue", report.blue[-MAX_POINTS:]), ("green", report.green[-MAX_POINTS:]))
    errors = tuple(
        Series(
            name,
            tuple((each.at, None if each.error_rate is None else 100 * each.error_rate) for each in served),
        )
        for name, served in places
    )
    latency = tuple(
        Series(
            name,
            tuple(
                (each.at, None if each.latency_p95 is None else 1000 * each.latency_p95) for each in served
            ),
        )
        for name, served in places
    )
    return [
        Chart("Errors", "% of requests", errors, marks),
        Chart("95th percentile of latency", "ms", latency, marks),
    ]
