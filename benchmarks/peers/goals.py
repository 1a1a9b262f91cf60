"""Goals are one table; a figure that is missing is a goal that is missed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from benchmarks.figures import percentile
from benchmarks.peers.figures import Cost, Engine, Figures, Jobs, Path, Recovery, Steady, Survival

BACKLOG_SECONDS = 5.0
"""The backlog that admission control allows unless configured: what is accepted is done in twice that."""

US = "watership"
CELERY = ("celery-redis", "celery-postgres")
MOST_CONNECTIONS = 1_000

F = TypeVar("F", Engine, Jobs, Path, Recovery, Steady, Survival)
Rows = Callable[[Figures], list[F]]
"""Which of the figures: the repetitions of one measurement."""


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """`want` is the least, or with `at_most` the most; `required`: missed by that, the run as a whole is not OK.

    `value` is what the figures say, None where they do not; `about` are those whose CPU explains it.
    """

    name: str
    title: str
    unit: str
    want: float
    at_most: bool = False
    required: float | None = None
    value: Callable[[Figures], float | None]
    about: Callable[[Figures], Sequence[Engine | Path | Steady]]

    def reached(self, value: float | None) -> bool:
        return value is not None and (value <= self.want if self.at_most else value >= self.want)

    def fatal(self, value: float | None) -> bool:
        return self.required is not None and (value is None or value < self.required)

    def costs(self, figures: Figures) -> list[Cost]:
        """The CPU of what it is about, of each repetition; none, where it is about no runs."""
        return [each.cost for each in self.about(figures)]


def values(figures: Figures) -> dict[str, float]:
    """The value of each goal that was measured."""
    found = {goal.name: goal.value(figures) for goal in GOALS}
    return {name: value for name, value in found.items() if value is not None}


def missed(values: Mapping[str, float]) -> list[str]:
    """The names of the goals that were not reached, or not measured."""
    return [goal.name for goal in GOALS if not goal.reached(values.get(goal.name))]


def fatal(values: Mapping[str, float]) -> list[str]:
    """The names of the goals whose required part was not reached, or not measured."""
    return [goal.name for goal in GOALS if goal.fatal(values.get(goal.name))]


def _jobs(peer: str) -> Rows[Jobs]:
    return lambda figures: [each for each in figures if isinstance(each, Jobs) and each.peer == peer]


def _paths(*connections: int) -> Rows[Path]:
    return lambda figures: [
        each for each in figures if isinstance(each, Path) and each.connections in connections
    ]


def _engines(clients: int) -> Rows[Engine]:
    return lambda figures: [
        each for each in figures if isinstance(each, Engine) and each.peer == US and each.clients == clients
    ]


def _steady(figures: Figures) -> list[Steady]:
    return [each for each in figures if isinstance(each, Steady)]


def _recoveries(figures: Figures) -> list[Recovery]:
    return [each for each in figures if isinstance(each, Recovery) and each.peer == US]


def _survivals(figures: Figures) -> list[Survival]:
    return [each for each in figures if isinstance(each, Survival)]


def _no_runs(figures: Figures) -> list[Path]:
    return []


def _median(rows: Rows[F], value: Callable[[F], float]) -> Callable[[Figures], float | None]:
    return lambda figures: statistics.median(map(value, found)) if (found := rows(figures)) else None


def _most(rows: Rows[F], value: Callable[[F], float]) -> Callable[[Figures], float | None]:
    """Of what must never happen, the worst repetition counts."""
    return lambda figures: max(map(value, found)) if (found := rows(figures)) else None


def _recovery(figures: Figures) -> float | None:
    """A job that nobody took over is no recovery, however quick the others were."""
    ours = _recoveries(figures)
    if any(each.not_recovered or not each.milliseconds for each in ours):
        return None
    return _median(_recoveries, lambda each: statistics.median(each.milliseconds))(figures)


def _over_celery(figures: Figures) -> float | None:
    """Both Celery rows must have been measured, or nobody knows which is the better one."""
    path = _median(_paths(64), lambda each: each.rate)(figures)
    rows = [_median(_jobs(peer), lambda each: each.rate)(figures) for peer in CELERY]
    known = [rate for rate in rows if rate is not None]
    return None if path is None or len(known) < len(CELERY) else path / max(known)


GOALS = (
    Goal(
        name="path_64",
        title="whole path, 64 connections",
        unit="runs/s",
        want=3_000,
        required=1_000,
        value=_median(_paths(64), lambda each: each.rate),
        about=_paths(64),
    ),
    Goal(
        name="path_over_celery",
        title="… over the better Celery row",
        unit="x",
        want=3,
        required=3,
        value=_over_celery,
        about=_paths(64),
    ),
    Goal(
        name="engine_64",
        title="engine alone, 64 at a time",
        unit="runs/s",
        want=5_000,
        value=_median(_engines(64), lambda each: each.rate),
        about=_engines(64),
    ),
    Goal(
        name="engine_256",
        title="engine alone, 256 at a time",
        unit="runs/s",
        want=8_000,
        value=_median(_engines(256), lambda each: each.rate),
        about=_engines(256),
    ),
    Goal(
        name="accepted_256",
        title="accepted, 256 connections",
        unit="runs/s",
        want=5_000,
        value=_median(_paths(256), lambda each: each.accepted_rate),
        about=_paths(256),
    ),
    Goal(
        name="errors_1000",
        title="1,000 connections",
        unit="errors",
        want=0,
        at_most=True,
        value=_most(_paths(MOST_CONNECTIONS), lambda each: each.errors),
        about=_paths(MOST_CONNECTIONS),
    ),
    Goal(
        name="overload_done_p99",
        title="submit → done p99 when overloaded",
        unit="ms",
        want=2 * BACKLOG_SECONDS * 1e3,
        at_most=True,
        value=_most(_paths(256, MOST_CONNECTIONS), lambda each: each.done_p99),
        about=_paths(MOST_CONNECTIONS),
    ),
    Goal(
        name="http_p50",
        title="202 at 50/s, p50",
        unit="ms",
        want=5,
        at_most=True,
        value=_median(_steady, lambda each: percentile(each.http_milliseconds, 50)),
        about=_steady,
    ),
    Goal(
        name="http_p99",
        title="202 at 50/s, p99",
        unit="ms",
        want=15,
        at_most=True,
        value=_median(_steady, lambda each: percentile(each.http_milliseconds, 99)),
        about=_steady,
    ),
    Goal(
        name="done_p50",
        title="submit → done at 50/s, p50",
        unit="ms",
        want=8,
        at_most=True,
        value=_median(_steady, lambda each: percentile(each.done_milliseconds, 50)),
        about=_steady,
    ),
    Goal(
        name="done_p99",
        title="submit → done at 50/s, p99",
        unit="ms",
        want=20,
        at_most=True,
        value=_median(_steady, lambda each: percentile(each.done_milliseconds, 99)),
        about=_steady,
    ),
    Goal(
        name="recovery",
        title="next step after a SIGKILL, median",
        unit="ms",
        want=100,
        at_most=True,
        value=_recovery,
        about=_no_runs,
    ),
    Goal(
        name="worker_mb",
        title="idle worker",
        unit="MB",
        want=45,
        at_most=True,
        value=_median(_recoveries, lambda each: statistics.median(each.megabytes)),
        about=_no_runs,
    ),
    Goal(
        name="import_ms",
        title="import of a worker",
        unit="ms",
        want=350,
        at_most=True,
        value=_median(_recoveries, lambda each: statistics.median(each.import_milliseconds)),
        about=_no_runs,
    ),
    Goal(
        name="lost",
        title="accepted runs lost or wrong after a SIGKILL of PostgreSQL",
        unit="runs",
        want=0,
        at_most=True,
        value=_most(_survivals, lambda each: each.lost),
        about=_no_runs,
    ),
)
