"""The campaign: so many watches, soaks and cells, on all cores, and what they came to beside what is printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import comb, exp, lgamma, log
from random import Random
from statistics import median

from tests.journeys.gate.cells import CELLS, DETECTOR, Cell, binomial, refused_after
from tests.journeys.gate.watches import ALPHAS, WATCH, Watched, drawn, seed_of, threshold
from watership.releases.judging import evidence
from watership.releases.judging.arms import AgainstLimit, AgainstLive, Counts, Tick
from watership.releases.judging.gate import ArmState, GateSpec, GateState, observe, opened

SURE = 0.01
"""A p-value below this says that a bound does not hold."""

WATCHES = (
    Watched(name="1 request/s, at the limits", per_second=1, errors=0.02, slow=0.05),
    Watched(name="1 request/s, 0.5 % and 1 %", per_second=1, errors=0.005, slow=0.01),
    Watched(name="10 requests/s, at the limits", per_second=10, errors=0.02, slow=0.05),
    Watched(name="10 requests/s, 0.5 % and 1 %", per_second=10, errors=0.005, slow=0.01),
)
NUMBER = 10_000
"""Watches of each."""

CUTOVER = GateSpec(
    arms=(
        AgainstLive(of="errors", tolerance=0.001, sees=0.01),
        AgainstLimit(of="errors", limit=0.02, sees=0.05),
        AgainstLimit(of="slow", limit=0.05, sees=0.15),
    )
)
"""The cutover's gate of the runbooks that are shipped."""

SOAKS, SOAK_SECONDS, SOAK_REQUESTS = 1_000, 300, 10
"""Soaks of five minutes, each side with so many requests a second, folded by the product's gate itself."""

SOAK_RATES = (0.005, 0.02, 0.3)
"""What both sides fail of; the last is an outage of both."""

ONSET = Cell(
    name="limit, watch, 6 h after it began", gate=DETECTOR, per_second=10, bad=0.15, printed=12, after=21_600
)
BEFORE = 0.005
"""What a release fails of before it worsens."""

PART = 50
"""Runs that a process is given at a time."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Of `of` healthy ones so many were refused, where `bound` of them may be."""

    name: str
    bound: float
    refused: int
    of: int

    @property
    def p_value(self) -> float:
        """The chance of so many or more, were the bound what happens."""
        fewer = sum(
            comb(self.of, number) * self.bound**number * (1 - self.bound) ** (self.of - number)
            if self.of < 1_000
            else _poisson(self.of * self.bound, number)
            for number in range(self.refused)
        )
        return max(1 - fewer, 0.0)

    @property
    def holds(self) -> bool:
        return self.p_value > SURE


def _poisson(mean: float, number: int) -> float:
    return exp(number * log(mean) - mean - lgamma(number + 1))


@dataclass(frozen=True, slots=True)
class Delays:
    """What a cell came to, in seconds."""

    cell: Cell
    median: float
    within: float
    reckoned: float | None

    @property
    def holds(self) -> bool:
        """At or below what our own power table prints."""
        return self.reckoned is not None and self.median <= self.reckoned

    @property
    def as_researched(self) -> bool:
        return self.median <= self.cell.printed


def watches(pool: ProcessPoolExecutor, watched: Watched, number: int) -> Iterator[Refused]:
    """One watch is refused where one of its arms is."""
    seeds = [range(start, min(start + PART, number)) for start in range(0, number, PART)]
    best = [each for part in pool.map(partial(_watched, watched), seeds) for each in part]
    for alpha in ALPHAS:
        yield Refused(watched.name, alpha, sum(each >= threshold(alpha) for each in best), number)


def _watched(watched: Watched, seeds: Sequence[int]) -> list[float]:
    enough, arms = threshold(min(ALPHAS)), [arm for arm in WATCH.arms if isinstance(arm, AgainstLimit)]
    return [
        max(drawn(watched, arm).follow(seed_of(arm, seed), enough=enough).highest for arm in arms)
        for seed in seeds
    ]


def soaks(pool: ProcessPoolExecutor, rate: float, number: int) -> Refused:
    """Both sides fail alike; tested at a bound a hundred times looser than the default, which shows more of it."""
    seeds = [range(start, min(start + PART, number)) for start in range(0, number, PART)]
    refused = sum(pool.map(partial(_soaked, rate), seeds))
    return Refused(f"soak of 5 min, both fail {100 * rate:g} %", 0.1, refused, number)


def _soaked(rate: float, seeds: Sequence[int]) -> int:
    gate = GateSpec(arms=CUTOVER.arms, false_alarm=0.1)
    return sum(_soak(gate, rate, seed) for seed in seeds)


def _soak(gate: GateSpec, rate: float, seed: int) -> bool:
    random, state = Random(f"soak {rate} {seed}"), opened(gate)
    for _ in range(SOAK_SECONDS):
        # Chance divides the requests, as the weight says that it does.
        nxt = binomial(random, 2 * SOAK_REQUESTS, 0.5)
        sides = [
            Counts(requests, binomial(random, requests, rate), binomial(random, requests, 0.05))
            for requests in (2 * SOAK_REQUESTS - nxt, nxt)
        ]
        state = observe(state, Tick(live=sides[0], next=sides[1], share=0.5), gate)
        if state.failed is not None:
            return True
    return False


def delays(pool: ProcessPoolExecutor, cell: Cell, number: int) -> Delays:
    met = sorted(pool.map(partial(_refused, cell), range(number), chunksize=PART))
    return Delays(cell, median(met), met[int(0.95 * len(met))], cell.reckoned)


def _refused(cell: Cell, seed: int) -> int:
    return refused_after(cell, seed, _before(cell, seed) if cell.after else None)


def _before(cell: Cell, seed: int) -> GateState:
    """A detector's state after some hours of a healthy day, as it is kept: logarithms."""
    random, per_second = Random(f"before {seed}"), round(cell.per_second)
    arm = cell.gate.arms[0]
    assert isinstance(arm, AgainstLimit)
    gains = [
        [
            bet.gain(next_bad=bad, next_requests=per_second, live_bad=0, live_requests=0)
            for bet in evidence.above(arm.limit)
        ]
        for bad in range(per_second + 1)
    ]
    worse: evidence.Wealth = ()
    # An hour of it does: what came before has long lost its wealth.
    for _ in range(min(cell.after, 3_600)):
        worse = evidence.detect(worse, gains[binomial(random, per_second, BEFORE)])
    return GateState(arms=(ArmState(worse=worse),), ticks=cell.after)


def all_cells(part: float) -> list[Cell]:
    return [replace(cell, runs=max(round(part * cell.runs), 20)) for cell in (*CELLS, ONSET)]
