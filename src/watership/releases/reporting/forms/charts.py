"""The charts of a report: errors and latency of both places, with the steps of the weight marked."""

from __future__ import annotations

from math import inf

from watership.releases.book.quantity import percent
from watership.releases.reporting.chart import Chart, Mark, Series
from watership.releases.reporting.report import ReportFacts, SlotSecond

# One point a second for three hours; beyond that a chart has more points than a screen has pixels.
MAX_POINTS = 10_800

# Of a release that goes on for longer, what is looked at is the cutover: it would be a stroke in two days.
BEFORE_SECONDS = 120.0
AFTER_SECONDS = 600.0


def charts(report: ReportFacts) -> list[Chart]:
    """Error rate and latency of both places; of a long release, around its cutover."""
    where, blue, green = _shown(report)
    marks = tuple(Mark(step.at, percent(step.weight)) for step in report.weights)
    places = (("blue", blue), ("green", green))
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
        Chart(f"Errors{where}", "% of requests", errors, marks),
        Chart(f"95th percentile of latency{where}", "ms", latency, marks),
    ]


Served = tuple[SlotSecond, ...]


def _shown(report: ReportFacts) -> tuple[str, Served, Served]:
    """The seconds that are drawn, and which they are, where they are not all."""
    times = [each.at for each in (*report.blue, *report.green)]
    if not times or max(times) - min(times) < MAX_POINTS:
        return "", report.blue, report.green
    if not report.weights:
        first = max(times) - MAX_POINTS
        return ", the last three hours", _from(report.blue, first), _from(report.green, first)
    steps = [step.at for step in report.weights]
    first, last = min(steps) - BEFORE_SECONDS, max(steps) + AFTER_SECONDS
    last = min(last, first + MAX_POINTS)
    return " around the cutover", _from(report.blue, first, last), _from(report.green, first, last)


def _from(served: Served, first: float, last: float = inf) -> Served:
    return tuple(each for each in served if first <= each.at <= last)
