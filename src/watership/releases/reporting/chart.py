"""A chart is lines over seconds, drawn as the coordinates of an SVG; its table holds the same numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

WIDTH = 720
HEIGHT = 180
LEFT = 52
BOTTOM = 24
TOP = 18
# The room of a mark's label, and the height of its line.
LABEL = 40
LINE = 11.0
# A gap longer than this many seconds is shown as a gap: a line across it would invent data.
GAP = 2.5
# Rows of the table twin; more seconds are shown as evenly spread ones, and the table says so.
MAX_ROWS = 120

Point = tuple[float, float | None]


class Series(NamedTuple):
    """A line; None is a second without a value."""

    name: str
    points: tuple[Point, ...]


class Mark(NamedTuple):
    """A moment with a label."""

    at: float
    label: str


class Chart(NamedTuple):
    title: str
    unit: str
    series: tuple[Series, ...]
    marks: tuple[Mark, ...]


class Line(NamedTuple):
    """The strokes of a series: one per stretch without a gap, each as SVG points."""

    name: str
    strokes: tuple[str, ...]


class Drawing(NamedTuple):
    """Coordinates for the template, and the rows of the table."""

    chart: Chart
    lines: tuple[Line, ...]
    marks: tuple[tuple[float, float, str], ...]
    """Each with the height of its label."""
    ticks: tuple[tuple[float, str], ...]
    seconds: tuple[tuple[float, str], ...]
    rows: tuple[tuple[float, tuple[float | None, ...]], ...]
    left_out: int


def drawn(chart: Chart) -> Drawing:
    """Scale a chart to its box."""
    points = [point for series in chart.series for point in series.points]
    times = [at for at, _ in points] or [0.0]
    start = min(times)
    end = max(start + 1, *times)
    finite = [value for _, value in points if value is not None and isfinite(value)]
    top = _ceiling(max(finite, default=0.0))

    def x(at: float) -> float:
        return round(LEFT + (at - start) / (end - start) * (WIDTH - LEFT - 8), 1)

    def y(value: float) -> float:
        # What lies beyond every bucket is drawn at the top; the table calls it inf.
        return round(HEIGHT - BOTTOM - min(value, top) / top * (HEIGHT - BOTTOM - TOP), 1)

    rows, left_out = _rows(chart)
    return Drawing(
        chart=chart,
        lines=tuple(
            Line(
                series.name,
                tuple(
                    # A second alone is a dot: a stroke from it to itself.
                    " ".join(
                        f"{x(at)},{y(value)}" for at, value in (stretch if len(stretch) > 1 else 2 * stretch)
                    )
                    for stretch in _stretches(series.points)
                ),
            )
            for series in chart.series
        ),
        marks=_staggered([(x(mark.at), mark.label) for mark in chart.marks if start <= mark.at <= end]),
        ticks=tuple((y(part * top), f"{part * top:.3g}") for part in (0.0, 0.5, 1.0)),
        seconds=tuple((x(at), f"{at:.0f} s") for at in (start, (start + end) / 2, end)),
        rows=rows,
        left_out=left_out,
    )


def _staggered(marks: Sequence[tuple[float, str]]) -> tuple[tuple[float, float, str], ...]:
    """Labels that would stand in one another's way stand below one another."""
    found: list[tuple[float, float, str]] = []
    for x, label in marks:
        near = bool(found) and x - found[-1][0] < LABEL
        found.append((x, found[-1][1] + LINE if near else TOP - 6.0, label))
    return tuple(found)


def _ceiling(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten, so that an axis ends on a round number."""
    power = 0.01
    while True:
        for step in (1, 2, 5):
            if step * power >= value:
                return step * power
        power *= 10


def _stretches(points: Sequence[Point]) -> Iterator[list[tuple[float, float]]]:
    known = [(at, value) for at, value in points if value is not None]
    if not known:
        return
    stretch = [known[0]]
    for before, now in pairwise(known):
        if now[0] - before[0] > GAP:
            yield stretch
            stretch = []
        stretch.append(now)
    yield stretch


def _rows(chart: Chart) -> tuple[tuple[tuple[float, tuple[float | None, ...]], ...], int]:
    by_time = [dict(series.points) for series in chart.series]
    times = sorted({at for points in by_time for at in points})
    every = -(-len(times) // MAX_ROWS) or 1
    kept = times[::every]
    rows = tuple((at, tuple(points.get(at) for points in by_time)) for at in kept)
    return rows, len(times) - len(kept)
