"""The cells of research whose delays were printed before there was a gate, and ours of the same parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log
from random import Random

from watership.releases.judging.arms import AgainstLimit, AgainstLive, Counts, Tick
from watership.releases.judging.gate import GateSpec, GateState, observe, opened
from watership.releases.judging.power import Traffic, row

DAY = 86_400
ALPHA = 0.001

CEILING = AgainstLimit(limit=0.02, sees=0.05)
TEST = GateSpec(arms=(CEILING,), false_alarm=ALPHA)
DETECTOR = GateSpec(arms=(CEILING,), false_alarm=ALPHA, horizon=DAY)
COMPARISON = GateSpec(arms=(AgainstLive(tolerance=0.0),), false_alarm=ALPHA)

LONGEST = 20_000
"""Ticks after which a run counts as never refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Requests per second of both sides together, and what each fails of; `printed` is the median to be met."""

    name: str
    gate: GateSpec
    per_second: float
    bad: float
    printed: float
    share: float = 1.0
    live: float = 0.0
    after: int = 0
    """Seconds of a healthy watch that come before."""
    runs: int = 2_000

    @property
    def reckoned(self) -> float | None:
        """What our own power table prints: at most this on average."""
        traffic = Traffic(per_second=self.per_second, share=self.share, live_rate=self.live)
        return row(self.gate, traffic, self.bad - self.live).expected


def _one_arm(gate: GateSpec, name: str, printed: dict[tuple[float, float], float]) -> list[Cell]:
    return [
        Cell(name=name, gate=gate, per_second=rate, bad=bad, printed=median)
        for (rate, bad), median in printed.items()
    ]


CELLS = [
    *_one_arm(
        TEST, "limit, cutover", {(1, 0.15): 48, (10, 0.05): 50, (10, 0.15): 5, (10, 0.5): 1, (0.2, 0.15): 258}
    ),
    *_one_arm(
        DETECTOR,
        "limit, watch",
        {(1, 0.15): 98, (10, 0.05): 168, (10, 0.15): 11, (10, 0.5): 3, (0.2, 0.15): 444},
    ),
    *(
        Cell(
            name="against live, 50/50",
            gate=COMPARISON,
            per_second=rate,
            bad=bad,
            printed=printed,
            share=0.5,
            live=0.01,
        )
        for (rate, bad), printed in {
            (1, 0.05): 1022,
            (10, 0.05): 114,
            (100, 0.05): 11,
            (1, 0.15): 202,
            (10, 0.15): 19,
            (100, 0.15): 3,
        }.items()
    ),
]


def poisson(random: Random, mean: float) -> int:
    """Knuth's product of uniform numbers; in parts, where e^-mean would be too small."""
    number = 0
    while mean > 0:
        part = min(mean, 30.0)
        mean -= part
        floor, product = exp(-part), random.random()
        while product > floor:
            number += 1
            product *= random.random()
    return number


def binomial(random: Random, of: int, rate: float) -> int:
    """By the gaps between successes."""
    if rate <= 0 or of == 0:
        return 0
    if rate >= 1:
        return of
    found, at, unlucky = 0, 0, log(1 - rate)
    while True:
        at += int(log(1 - random.random()) / unlucky) + 1
        if at > of:
            return found
        found += 1


def ticks(random: Random, cell: Cell) -> Iterator[Tick]:
    """Poisson arrivals of both sides, second by second."""

    def side(share: float, rate: float) -> Counts:
        if share == 0:
            return Counts()
        requests = poisson(random, cell.per_second * share)
        return Counts(requests, binomial(random, requests, rate))

    while True:
        split = cell.share if cell.share < 1 else None
        yield Tick(live=side(1 - cell.share, cell.live), next=side(cell.share, cell.bad), share=split)


def refused_after(cell: Cell, seed: int, state: GateState | None = None) -> int:
    """Seconds until the product's own gate refuses, from `state` on; LONGEST where it does not."""
    random = Random(f"{cell.name} {cell.per_second} {cell.bad} {seed}")
    state = state or opened(cell.gate)
    began = state.ticks
    for tick in ticks(random, cell):
        state = observe(state, tick, cell.gate)
        if state.failed_at is not None:
            return state.failed_at - began
        if state.ticks - began >= LONGEST:
            return LONGEST
    raise AssertionError("traffic does not end")
