"""The table of peers: medians with their range, the goals, and what must be known to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from benchmarks.figures import Spread, percentile
from benchmarks.peers.figures import Cost, Engine, Failed, Figures, Jobs, Path, Recovery, Steady
from benchmarks.peers.goals import GOALS, Goal
from benchmarks.peers.grounds import Conditions
from benchmarks.peers.peer import TITLES

F = TypeVar("F", Engine, Jobs, Path, Recovery, Steady)
Row = tuple[str, ...]

BUSY = 0.35
"""Cores taken by others above which a rate says more about them than about the peer."""


def render(figures: Figures, values: Mapping[str, float], conditions: Conditions | None, machine: str) -> str:
    """All that was measured, for people."""
    parts = [
        "Small jobs: handed in at once, each durable, one no-op step, result stored and compared",
        grid([JOBS, *_jobs(figures)]),
        "Runs of 3 journaled steps, in one process with its clients, PostgreSQL",
        grid([ENGINE, *_engines(figures)]),
        "Watership's whole path: HTTP 202 (committed) → RabbitMQ → worker → 3 journaled steps → stored result",
        grid([PATH, *_paths(figures)]),
        *_complaints(figures),
        *_steady(figures),
        "SIGKILL of a worker → its work begins elsewhere; an idle worker",
        grid([RECOVERY, *_recoveries(figures)]),
        *_failures(figures),
        "Goals",
        grid([("", "reached", "goal", ""), *(_goal(goal, values.get(goal.name)) for goal in GOALS)]),
        *_profiles(figures, values),
        *_conditions(conditions),
        machine,
        f"Median [least..most] of the repetitions. CPU µs per job is the steadier column; where others took more than "
        f"{BUSY} cores, trust it rather than the rate. Jobs that Watership is given go over HTTP.",
    ]
    return "\n\n".join(parts)


def grid(rows: Sequence[Row]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def profile(costs: Sequence[Cost]) -> str:
    """Where the CPU went: µs of each group of processes, the most first; the median repetition of each."""
    names = {name for cost in costs for name in cost.micros}
    medians = {name: Spread.of([cost.micros.get(name, 0.0) for cost in costs]).median for name in names}
    ordered = sorted(medians.items(), key=lambda item: -item[1])
    return " + ".join(f"{name} {micros:,.0f}" for name, micros in ordered)


JOBS = ("", "jobs", "reps", "done/s", "submitted/s", "at 50/s: p50 ms", "p99 ms", "CPU µs/job", "others")
ENGINE = ("", "at a time", "reps", "runs/s", "CPU µs/run", "where", "others")
PATH = (
    *("connections", "reps", "done/s", "accepted/s", "429", "errors"),
    *("202 p50/p99 ms", "done p50/p99 ms", "CPU µs/run", "where", "others"),
)
RECOVERY = ("", "kills", "ms", "memory MB (PSS)", "processes", "import ms")


def _jobs(figures: Figures) -> Iterable[Row]:
    for peer, rows in _grouped(figures, Jobs, lambda each: each.peer):
        yield (
            f"{TITLES[peer]} {rows[0].version}",
            str(rows[0].jobs),
            str(len(rows)),
            _ranged([each.rate for each in rows]),
            _ranged([each.submit_rate for each in rows]),
            _ranged([percentile(each.milliseconds, 50) for each in rows], 1),
            _ranged([percentile(each.milliseconds, 99) for each in rows], 1),
            _ranged([each.cost.total for each in rows]),
            _others([each.cost for each in rows]),
        )


def _engines(figures: Figures) -> Iterable[Row]:
    for (peer, clients), rows in _grouped(figures, Engine, lambda each: (each.peer, each.clients)):
        costs = [each.cost for each in rows]
        yield (
            peer,
            str(clients),
            str(len(rows)),
            _ranged([each.rate for each in rows]),
            _ranged([each.total for each in costs]),
            profile(costs),
            _others(costs),
        )


def _paths(figures: Figures) -> Iterable[Row]:
    for connections, rows in _grouped(figures, Path, lambda each: each.connections):
        costs = [each.cost for each in rows]
        yield (
            str(connections),
            str(len(rows)),
            _ranged([each.rate for each in rows]),
            _ranged([each.accepted_rate for each in rows]),
            _ranged([float(each.refused) for each in rows]),
            _ranged([float(each.errors) for each in rows]),
            _pair([each.http_milliseconds for each in rows]),
            f"{Spread.of([each.done_p50 for each in rows]).median:,.0f}/"
            f"{Spread.of([each.done_p99 for each in rows]).median:,.0f}",
            _ranged([each.total for each in costs]),
            profile(costs),
            _others(costs),
        )


def _complaints(figures: Figures) -> Iterable[str]:
    said = [
        f"{each.connections} connections: {line}"
        for each in figures
        if isinstance(each, Path)
        for line in each.complaints
    ]
    if said:
        yield "\n".join(["Errors of the whole path", *said])


def _steady(figures: Figures) -> Iterable[str]:
    for rate, rows in _grouped(figures, Steady, lambda each: each.per_second):
        http, done = (
            _pair([each.http_milliseconds for each in rows], 1),
            _pair([each.done_milliseconds for each in rows], 1),
        )
        yield f"The same at {rate:g}/s: 202 in {http} ms (p50/p99), result in the client's hands in {done} ms."


def _recoveries(figures: Figures) -> Iterable[Row]:
    for peer, rows in _grouped(figures, Recovery, lambda each: each.peer):
        times = [each for row in rows for each in row.milliseconds]
        yield (
            TITLES[peer],
            str(len(times)),
            "; ".join(
                [
                    *([_ranged(times)] if times else []),
                    *(row.not_recovered for row in rows if row.not_recovered),
                ]
            ),
            _ranged([each for row in rows for each in row.megabytes], 1),
            str(rows[0].processes),
            _ranged([each for row in rows for each in row.import_milliseconds]),
        )


def _failures(figures: Figures) -> Iterable[str]:
    failed = [each for each in figures if isinstance(each, Failed)]
    if failed:
        yield "Failed: no figures, and why"
        yield "\n".join(f"{each.peer}, {each.kind}: {each.error}" for each in failed)


def _goal(goal: Goal, value: float | None) -> Row:
    sign = "≤" if goal.at_most else "≥"
    shown = "not measured" if value is None else f"{value:,.1f} {goal.unit}"
    word = "reached" if goal.reached(value) else "REQUIRED, MISSED" if goal.fatal(value) else "missed"
    return goal.title, shown, f"{sign} {goal.want:,g} {goal.unit}", word


def _profiles(figures: Figures, values: Mapping[str, float]) -> Iterable[str]:
    """For each goal that was missed, where the CPU went."""
    rows = [
        (goal.title, f"{profile(spent)} µs/run; others {_others(spent)} cores")
        for goal in GOALS
        if not goal.reached(values.get(goal.name)) and (spent := goal.costs(figures))
    ]
    if rows:
        yield "Where the CPU went, for the goals that were missed"
        yield grid(rows)


def _conditions(conditions: Conditions | None) -> Iterable[str]:
    if conditions is None:
        return
    postgres = ", ".join(f"{name}={value}" for name, value in conditions.postgres.items())
    redis = ", ".join(f"{name}={value}" for name, value in conditions.redis.items())
    queues = "; ".join(
        f"{peer}: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"
        for peer, kinds in conditions.queues.items()
    )
    yield (
        "What the servers say of themselves\n"
        f"PostgreSQL: {postgres}\nRabbitMQ: {conditions.rabbitmq}; queues by type: {queues or 'none'}\n"
        f"Redis: {redis}\ndata on {conditions.filesystem}"
    )


K = TypeVar("K")


def _grouped(figures: Figures, kind: type[F], key: Callable[[F], K]) -> Iterable[tuple[K, list[F]]]:
    groups: dict[K, list[F]] = {}
    for each in figures:
        if isinstance(each, kind):
            groups.setdefault(key(each), []).append(each)
    return groups.items()


def _others(costs: Sequence[Cost]) -> str:
    return _ranged([cost.other_cores for cost in costs], 2)


def _pair(repetitions: Sequence[Sequence[float]], digits: int = 0) -> str:
    p50 = Spread.of([percentile(each, 50) for each in repetitions])
    p99 = Spread.of([percentile(each, 99) for each in repetitions])
    return f"{p50.median:,.{digits}f}/{p99.median:,.{digits}f}"


def _ranged(values: Sequence[float], digits: int = 0) -> str:
    spread = Spread.of(values)
    if len(values) == 1:
        return f"{spread.median:,.{digits}f}"
    return f"{spread.median:,.{digits}f} [{spread.least:,.{digits}f}..{spread.most:,.{digits}f}]"
