"""The table: medians with their range, beside each other, and what must be known to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.figures import Measured, Spread, Throughput, percentile

NAMES = {
    "watership": "Watership, SQLite",
    "dbos": "DBOS, SQLite",
    "dbos-wal": "DBOS, SQLite set to WAL",
}
COLUMNS = ("", "clients", "runs/s", "CPU µs/run", "other load (cores)")
BUSY = 0.35
"""Cores taken by others above which a rate says more about them than about the peer."""

Repetitions = dict[str, list[Measured]]


def render(repetitions: Repetitions, machine: str) -> str:
    """All that was measured, for people."""
    parts = [
        "Durable runs of 3 journaled no-op steps, submit to result. Median [least..most] of "
        f"{_number_of(repetitions)} repetitions, peers taking turns.",
        _grid([COLUMNS, *_throughput(repetitions)]),
        "Submit → result at a low, fixed rate",
        _grid([("", "runs/s", "p50 ms", "p99 ms", "samples"), *_latency(repetitions)]),
        "What each peer stood on",
        _grid([("", "version", "memory MB", "file"), *_grounds(repetitions)]),
        machine,
        "synchronous=2 is FULL: a commit is on the disk when it returns. The clients live in the process that they "
        f"load. Where other processes took more than {BUSY} cores, trust CPU µs/run rather than the rate.",
    ]
    return "\n\n".join(parts)


def summary(repetitions: Repetitions, machine: str) -> dict[str, object]:
    """The same for programs, with every repetition as it was handed over."""
    return {
        "machine": machine,
        "throughput": [
            {"peer": peer, "clients": clients, "runs_per_second": rate, "cpu_micros_per_run": cpu}
            for peer, clients, rate, cpu, _ in _by_case(repetitions)
        ],
        "latency": [
            {"peer": peer, "per_second": rate, "p50_ms": p50, "p99_ms": p99}
            for peer, rate, p50, p99, _ in _latencies(repetitions)
        ],
        "repetitions": repetitions,
    }


def _number_of(repetitions: Repetitions) -> int:
    return max(len(each) for each in repetitions.values())


def _by_case(repetitions: Repetitions) -> Iterable[tuple[str, int, Spread, Spread, Spread | None]]:
    for peer, measured in repetitions.items():
        for index, case in enumerate(measured[0].throughput):
            same = [each.throughput[index] for each in measured]
            yield (
                peer,
                case.clients,
                _spread(same, lambda each: each.rate),
                _spread(same, lambda each: each.cpu_micros_per_run),
                _others(same),
            )


def _spread(cases: Sequence[Throughput], figure: Callable[[Throughput], float]) -> Spread:
    return Spread.of([figure(case) for case in cases])


def _others(cases: Sequence[Throughput]) -> Spread | None:
    known = [case.other_cores for case in cases if case.other_cores is not None]
    return Spread.of(known) if known else None


def _throughput(repetitions: Repetitions) -> Iterable[tuple[str, ...]]:
    for peer, clients, rate, cpu, others in _by_case(repetitions):
        busy = "unknown" if others is None else _ranged(others, 2)
        yield NAMES[peer], str(clients), _ranged(rate, 0), _ranged(cpu, 0), busy


def _latencies(repetitions: Repetitions) -> Iterable[tuple[str, float, Spread, Spread, int]]:
    for peer, measured in repetitions.items():
        taken = [each.latency for each in measured if each.latency is not None]
        if taken:
            p50 = Spread.of([percentile(each.milliseconds, 50) for each in taken])
            p99 = Spread.of([percentile(each.milliseconds, 99) for each in taken])
            yield peer, taken[0].per_second, p50, p99, sum(len(each.milliseconds) for each in taken)


def _latency(repetitions: Repetitions) -> Iterable[tuple[str, ...]]:
    for peer, rate, p50, p99, samples in _latencies(repetitions):
        yield NAMES[peer], f"{rate:g}", _ranged(p50, 1), _ranged(p99, 1), str(samples)


def _grounds(repetitions: Repetitions) -> Iterable[tuple[str, ...]]:
    for peer, measured in repetitions.items():
        memory = Spread.of([each.rss_megabytes for each in measured])
        yield NAMES[peer], measured[0].version, _ranged(memory, 0), measured[0].durability


def _ranged(spread: Spread, digits: int) -> str:
    return f"{spread.median:,.{digits}f} [{spread.least:,.{digits}f}..{spread.most:,.{digits}f}]"


def _grid(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
