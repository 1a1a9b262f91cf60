"""Goals are one table; a figure that is missing is a goal that is missed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from benchmarks.figures import percentile
from benchmarks.peers.figures import Cost, Engine, Figures, Jobs, Path, Recovery, Steady

BACKLOG_SECONDS = 5.0
"""The backlog that admission control allows unless configured: what is accepted is done in twice that."""


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """`want` is the least, or with `at_most` the most; `required`: missed by that, the run as a whole is not OK."""

    name: str
    title: str
    unit: str
    want: float
    at_most: bool = False
    required: float | None = None

    def reached(self, value: float | None) -> bool:
        return value is not None and (value <= self.want if self.at_most else value >= self.want)

    def fatal(self, value: float | None) -> bool:
        return self.required is not None and (value is None or value < self.required)


def _at_most(name: str, title: str, unit: str, want: float) -> Goal:
    return Goal(name=name, title=title, unit=unit, want=want, at_most=True)


GOALS = (
    Goal(name="path_64", title="whole path, 64 connections", unit="runs/s", want=3_000, required=1_000),
    Goal(name="path_over_celery", title="… over the better Celery row", unit="x", want=3, required=3),
    Goal(name="engine_64", title="engine alone, 64 at a time", unit="runs/s", want=5_000),
    Goal(name="engine_256", title="engine alone, 256 at a time", unit="runs/s", want=8_000),
    Goal(name="accepted_256", title="accepted, 256 connections", unit="runs/s", want=5_000),
    _at_most("errors_1000", "1,000 connections", "errors", 0),
    _at_most("overload_done_p99", "submit → done p99 when overloaded", "ms", 2 * BACKLOG_SECONDS * 1e3),
    _at_most("http_p50", "202 at 50/s, p50", "ms", 5),
    _at_most("http_p99", "202 at 50/s, p99", "ms", 15),
    _at_most("done_p50", "submit → done at 50/s, p50", "ms", 8),
    _at_most("done_p99", "submit → done at 50/s, p99", "ms", 20),
    _at_most("recovery", "next step after a SIGKILL, median", "ms", 100),
    _at_most("worker_mb", "idle worker", "MB", 45),
    _at_most("import_ms", "import of a worker", "ms", 350),
    _at_most("lost", "accepted runs lost or wrong after a SIGKILL of PostgreSQL", "runs", 0),
)

US = "watership"
CELERY = ("celery-redis", "celery-postgres")
MOST_CONNECTIONS = 1_000
F = TypeVar("F", Engine, Jobs, Path, Recovery, Steady)


def values(figures: Figures, lost: int | None) -> dict[str, float]:
    """The value of each goal that was measured: medians over the repetitions."""
    found: dict[str, float | None] = {
        "path_64": _median(_paths(figures, 64), lambda each: each.rate),
        "accepted_256": _median(_paths(figures, 256), lambda each: each.accepted_rate),
        "errors_1000": _most(_paths(figures, MOST_CONNECTIONS), lambda each: float(each.errors)),
        "overload_done_p99": _most(_paths(figures, 256, MOST_CONNECTIONS), lambda each: each.done_p99),
        "engine_64": _median(_engines(figures, 64), lambda each: each.rate),
        "engine_256": _median(_engines(figures, 256), lambda each: each.rate),
        "lost": None if lost is None else float(lost),
        **_steady([each for each in figures if isinstance(each, Steady)]),
        **_recovery([each for each in figures if isinstance(each, Recovery) and each.peer == US]),
    }
    found["path_over_celery"] = _over_celery(figures, found["path_64"])
    return {name: value for name, value in found.items() if value is not None}


def missed(values: Mapping[str, float]) -> list[str]:
    """The names of the goals that were not reached, or not measured."""
    return [goal.name for goal in GOALS if not goal.reached(values.get(goal.name))]


def fatal(values: Mapping[str, float]) -> list[str]:
    """The names of the goals whose required part was not reached, or not measured."""
    return [goal.name for goal in GOALS if goal.fatal(values.get(goal.name))]


def costs(figures: Figures, goal: str) -> list[Cost]:
    """The CPU of what a goal is about, of each repetition; none, where it is about no runs."""
    match goal:
        case "path_64" | "path_over_celery":
            return [each.cost for each in _paths(figures, 64)]
        case "accepted_256":
            return [each.cost for each in _paths(figures, 256)]
        case "errors_1000" | "overload_done_p99":
            return [each.cost for each in _paths(figures, MOST_CONNECTIONS)]
        case "engine_64" | "engine_256":
            return [each.cost for each in _engines(figures, int(goal.removeprefix("engine_")))]
        case "http_p50" | "http_p99" | "done_p50" | "done_p99":
            return [each.cost for each in figures if isinstance(each, Steady)]
        case _:
            return []


def _steady(steady: list[Steady]) -> dict[str, float | None]:
    return {
        "http_p50": _median(steady, lambda each: percentile(each.http_milliseconds, 50)),
        "http_p99": _median(steady, lambda each: percentile(each.http_milliseconds, 99)),
        "done_p50": _median(steady, lambda each: percentile(each.done_milliseconds, 50)),
        "done_p99": _median(steady, lambda each: percentile(each.done_milliseconds, 99)),
    }


def _recovery(ours: list[Recovery]) -> dict[str, float | None]:
    return {
        "recovery": None
        if any(each.not_recovered or not each.milliseconds for each in ours)
        else _median(ours, lambda each: statistics.median(each.milliseconds)),
        "worker_mb": _median(ours, lambda each: statistics.median(each.megabytes)),
        "import_ms": _median(ours, lambda each: statistics.median(each.import_milliseconds)),
    }


def _over_celery(figures: Figures, path: float | None) -> float | None:
    """Both Celery rows must have been measured, or nobody knows which is the better one."""
    rows = [_median(_jobs(figures, peer), lambda each: each.rate) for peer in CELERY]
    known = [rate for rate in rows if rate is not None]
    return None if path is None or len(known) < len(CELERY) else path / max(known)


def _jobs(figures: Figures, peer: str) -> list[Jobs]:
    return [each for each in figures if isinstance(each, Jobs) and each.peer == peer]


def _paths(figures: Figures, *connections: int) -> list[Path]:
    return [each for each in figures if isinstance(each, Path) and each.connections in connections]


def _engines(figures: Figures, clients: int) -> list[Engine]:
    ours = [each for each in figures if isinstance(each, Engine) and each.peer == US]
    return [each for each in ours if each.clients == clients]


def _median(figures: Sequence[F], value: Callable[[F], float]) -> float | None:
    return statistics.median(map(value, figures)) if figures else None


def _most(figures: Sequence[F], value: Callable[[F], float]) -> float | None:
    """Of what must never happen, the worst repetition counts."""
    return max(map(value, figures)) if figures else None
