"""The charts of a report: errors and latency of both places, with the steps of the weight marked."""

from __future__ import annotations

from watership.releases.chart import Chart, Mark, Series
from watership.releases.gate import percent
from watership.releases.report import ReportFacts

# One point a second for three hours; beyond that a chart has more points than a screen has pixels.
MAX_POINTS = 10_800


def charts(report: ReportFacts) -> list[Chart]:
    """Error rate and latency of both places."""
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
