"""Figures are what a peer measured, as it hands them over, and what is made of several of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """`clients` started a run each, and another when it had its result, for the length of the case."""

    clients: int
    runs: int
    seconds: float
    cpu_micros_per_run: float
    other_cores: float | None
    """Cores that were busy with other processes meanwhile; None where the system does not tell."""

    @property
    def rate(self) -> float:
        return self.runs / self.seconds


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Runs were started at a fixed rate, whether earlier ones had ended or not."""

    per_second: float
    milliseconds: tuple[float, ...]
    """From the moment the run was due to be started to its result in the client's hands."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One repetition of one peer, measured inside its own process."""

    peer: str
    version: str
    durability: str
    throughput: tuple[Throughput, ...]
    latency: Latency | None
    runs: int
    """All runs of this process, warming up included; each result was compared with the expected one."""
    steps_journaled: int
    """Results of steps found in the peer's file afterwards."""
    rss_megabytes: float
    """At the end: what the process holds in memory, with the load generator that lives in it."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The median of several repetitions, and the least and the most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median=statistics.median(values), least=min(values), most=max(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -int(-len(ordered) * percent // 100)
    return ordered[max(0, rank - 1)]
