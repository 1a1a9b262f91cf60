"""Healthy watches of a day, simulated quickly: between two bad seconds each bet goes its known way.

The gate is the product's: bets, grid and thresholds are its own, and a test folds the same seconds with both. Only the
wealth is kept as it is, not as its logarithm, and a run of seconds without a bad outcome is one multiplication. What
draws and follows is a page of C: ten thousand watches are a billion seconds.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb, exp
from pathlib import Path
from tempfile import mkdtemp

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

SOURCE = Path(__file__).with_suffix(".c")


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


@dataclass(frozen=True, slots=True)
class Followed:
    """The highest wealth that one arm came to, and the first runs of its seconds."""

    highest: float
    runs: tuple[Run, ...]


class Drawn:
    """Watches of one arm under constant traffic, each second drawn from the binomial law."""

    def __init__(self, arm: AgainstLimit, per_second: int, rate: float) -> None:
        bets = evidence.above(arm.limit)
        numbers = range(per_second + 1)
        self._most, self._bets = per_second, len(bets)
        self._chances = _array(
            [comb(per_second, bad) * rate**bad * (1 - rate) ** (per_second - bad) for bad in numbers]
        )
        self._quiet = _array([_factor(bet, 0, per_second) for bet in bets])
        self._factors = _array([_factor(bet, bad, per_second) for bad in numbers for bet in bets])

    def follow(self, seed: int, *, enough: float, seconds: int = DAY, kept: int = 0) -> Followed:
        """One watch. What lies above `enough` is enough. The first `kept` runs are told."""
        runs = (ctypes.c_long * (2 * kept))(*([-1] * (2 * kept)))
        best = _library().highest(
            ctypes.c_uint64(seed),
            self._chances,
            ctypes.c_int(self._most),
            self._quiet,
            self._factors,
            ctypes.c_int(self._bets),
            ctypes.c_long(seconds),
            ctypes.c_double(enough),
            ctypes.c_long(kept),
            runs,
        )
        told = [(runs[at], runs[at + 1]) for at in range(0, 2 * kept, 2) if runs[at] >= 0]
        return Followed(float(best), tuple(told))


def _array(values: Sequence[float]) -> ctypes.Array[ctypes.c_double]:
    return (ctypes.c_double * len(values))(*values)


def _factor(bet: Bet, bad: int, per_second: int) -> float:
    return exp(bet.gain(next_bad=bad, next_requests=per_second, live_bad=0, live_requests=0))


def compiler() -> str | None:
    """What translates C here."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@cache
def _library() -> ctypes.CDLL:
    """The page of C, translated once for each process."""
    translator = compiler()
    assert translator is not None, "the oracle's watches need a C compiler"
    target = Path(mkdtemp(prefix="watership-watches-")) / "watches.so"
    subprocess.run([translator, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-lm"], check=True)
    library = ctypes.CDLL(str(target))
    library.highest.restype = ctypes.c_double
    shutil.rmtree(target.parent)
    return library


@cache
def drawn(watched: Watched, arm: AgainstLimit) -> Drawn:
    return Drawn(arm, watched.per_second, watched.rate(arm))


def seed_of(arm: AgainstLimit, number: int) -> int:
    """Arms are drawn apart from each other."""
    return 2 * number + (arm.of == "slow")


def ticks(watched: Watched, arm: AgainstLimit, runs: Sequence[Run], seconds: int) -> Iterator[Tick]:
    """The same watch second by second, for the product's own gate of that arm."""
    at = 0
    for quiet, bad in runs:
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
