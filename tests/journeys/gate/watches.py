"""Healthy watches of a day, simulated quickly: between two bad seconds each bet goes its known way.

The gate is the product's: bets, grid and thresholds are its own, and a test folds the same seconds with both. Only the
wealth is kept as it is, not as its logarithm, and a run of seconds without a bad outcome is one multiplication.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import comb, exp, log
from random import Random

from watership.releases.judging import evidence
from watership.releases.judging.arms import AgainstLimit, Counts, Tick
from watership.releases.judging.evidence import Bet
from watership.releases.judging.gate import GateSpec

DAY = 86_400

WATCH = GateSpec(
    arms=(
        AgainstLimit(of="errors", limit=0.02, sees=0.05),
        AgainstLimit(of="slow", limit=0.05, sees=0.15),
    ),
    horizon=DAY,
)
"""The watch of the runbooks that are shipped."""

ALPHAS = (0.001, 0.01, 0.1)
"""What the bound is tested at: a looser one is reached more often, and shows more of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Watches at so many requests a second, of which `errors` fail and `slow` are slow, at their limits or below."""

    name: str
    per_second: int
    errors: float
    slow: float

    def rate(self, arm: AgainstLimit) -> float:
        return self.errors if arm.of == "errors" else self.slow


Run = tuple[int, int]
"""Seconds without a bad outcome, and how many there are in the one after them."""


def runs(random: Random, per_second: int, rate: float, seconds: int) -> Iterator[Run]:
    """The bad outcomes of `seconds` of constant traffic, each second drawn from the binomial law."""
    none = (1 - rate) ** per_second
    chances = [
        comb(per_second, bad) * rate**bad * (1 - rate) ** (per_second - bad) for bad in range(per_second + 1)
    ]
    at = 0
    while True:
        quiet = int(log(1 - random.random()) / log(none))
        at += quiet + 1
        if at > seconds:
            return
        yield quiet, _some(random.random() * (1 - none), chances)


def _some(drawn: float, chances: list[float]) -> int:
    """One or more, by their chances."""
    for bad, chance in enumerate(chances[1:], start=1):
        drawn -= chance
        if drawn <= 0:
            return bad
    return len(chances) - 1


class Table:
    """What every second does to the wealth of each bet of one arm, and every run of quiet seconds."""

    def __init__(self, arm: AgainstLimit, per_second: int, longest: int = 4_000) -> None:
        bets = evidence.above(arm.limit)
        self._quiet = [_factor(bet, 0, per_second) for bet in bets]
        self._bad = [[_factor(bet, bad, per_second) for bet in bets] for bad in range(per_second + 1)]
        self._runs = [self._run(seconds) for seconds in range(longest)]

    def _run(self, seconds: int) -> list[tuple[float, float]]:
        """M ← (M + 1)·f, so many times over: M·fᵏ + f·(1 − fᵏ)/(1 − f)."""
        return [(f**seconds, f * (1 - f**seconds) / (1 - f)) for f in self._quiet]

    def opened(self) -> list[float]:
        return [0.0] * len(self._quiet)

    def follow(self, wealths: list[float], run: Run) -> list[float]:
        """The wealth of each bet after the bad second that ends a run: it is at its highest there."""
        quiet, bad = run
        steps = self._runs[quiet] if quiet < len(self._runs) else self._run(quiet)
        return [
            (wealth * part + more + 1) * factor
            for wealth, (part, more), factor in zip(wealths, steps, self._bad[bad], strict=True)
        ]


def _factor(bet: Bet, bad: int, per_second: int) -> float:
    return exp(bet.gain(next_bad=bad, next_requests=per_second, live_bad=0, live_requests=0))


@cache
def table_of(arm: AgainstLimit, per_second: int) -> Table:
    return Table(arm, per_second)


def highest(watched: Watched, arm: AgainstLimit, seed: int, enough: float, seconds: int = DAY) -> float:
    """The highest wealth that one arm comes to in a watch; what lies above `enough` is enough."""
    random, table = Random(f"{watched.name} {arm.of} {seed}"), table_of(arm, watched.per_second)
    wealths, best = table.opened(), 0.0
    for run in runs(random, watched.per_second, watched.rate(arm), seconds):
        wealths = table.follow(wealths, run)
        best = max(best, sum(wealths) / len(wealths))
        if best >= enough:
            break
    return best


def ticks(watched: Watched, arm: AgainstLimit, seed: int, seconds: int) -> Iterator[Tick]:
    """The same watch second by second, for the product's own gate of that arm."""
    random, at = Random(f"{watched.name} {arm.of} {seed}"), 0
    for quiet, bad in runs(random, watched.per_second, watched.rate(arm), seconds):
        for _ in range(quiet):
            yield _tick(watched, arm, 0)
        yield _tick(watched, arm, bad)
        at += quiet + 1
    for _ in range(seconds - at):
        yield _tick(watched, arm, 0)


def _tick(watched: Watched, arm: AgainstLimit, bad: int) -> Tick:
    errors, slow = (bad, 0) if arm.of == "errors" else (0, bad)
    return Tick(live=Counts(), next=Counts(watched.per_second, errors, slow))


def threshold(alpha: float) -> float:
    """The wealth at which one arm of the watch refuses."""
    return DAY * len(WATCH.arms) / alpha
