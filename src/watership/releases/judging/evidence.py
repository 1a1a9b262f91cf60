"""Evidence is the wealth of a bet against a hypothesis; looking often cannot inflate it.

A bet starts with 1. While its hypothesis is true its wealth is a supermartingale, so by Ville's inequality
it ever reaches 1/α with probability at most α, however often and whenever one looks. We spread the stake
over a grid of bets, because nobody knows in advance how bad a regression will be; a finite grid needs no
special functions, and its cost is at most ln(size) of evidence.

What is promised holds for *independent request outcomes*: count distinct requests, not retries of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from math import exp, log, log1p
from typing import NamedTuple

# How many times as often as live next may fail (odds among requests), as seen by a bet that next is worse.
ODDS = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 50.0)
# The same for a bet that next is no worse than it may be. None is zero: one error must not ruin a bet.
BETTER_ODDS = (0.02, 0.1, 0.25, 0.5, 0.8)
# Multiples of a limit, for a bet that a rate lies above it.
MULTIPLES = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 45.0)
# Fractions of a rate, for a bet that the true rate lies below it.
FRACTIONS = (0.02, 0.1, 0.25, 0.5, 0.75)
# A multiple that would pass this rate is lowered to it, so that every limit below 1 has the same grid.
HIGHEST_RATE = 0.99
# e^700 is the last power that a float holds with room to spare.
LARGEST_LOG = 700.0

Wealth = tuple[float, ...]
"""ln of the wealth of each bet of a grid; empty before the first tick."""


class Bet(NamedTuple):
    """What one bet gains, in ln, by each thing that can be counted in a tick."""

    next_bad: float = 0.0
    live_bad: float = 0.0
    next_request: float = 0.0
    live_request: float = 0.0

    def gain(self, *, next_bad: float, next_requests: int, live_bad: float, live_requests: int) -> float:
        return (
            self.next_bad * next_bad
            + self.live_bad * live_bad
            + self.next_request * next_requests
            + self.live_request * live_requests
        )


def worse_than_live(share: float, tolerance: float) -> list[Bet]:
    """Bets against "next fails at most `tolerance` more often than live", while next serves `share`."""
    return [_two_arm(share, odds, tolerance) for odds in ODDS]


def better_than_live_and(share: float, regression: float) -> list[Bet]:
    """Bets against "next fails at least `regression` more often than live"."""
    return [_two_arm(share, odds, regression) for odds in BETTER_ODDS]


def _two_arm(share: float, odds: float, difference: float) -> Bet:
    """The conditional bet: given that a request failed, which side served it?

    With s the share of next and q = s·odds/(s·odds + 1 − s), an error of next multiplies the wealth by
    a = q/s and one of live by b = (1−q)/(1−s). With n requests in the tick, by 1 + x ≤ eˣ,
    E[a^X b^Y] ≤ exp(n(q−s)(p_next − p_live)), so exp(−n(q−s)·difference) makes it fair at the border of the
    hypothesis, whatever the common rate is and however it moves: an outage of both sides proves nothing.
    With no difference this is the test of Lindon & Malek (arXiv 2011.03567). It holds for means as well, of what lies
    between 0 and 1 (the part of a budget that a run uses up): there aˣ ≤ 1 + x(a − 1), and the rest is the same.

    The share is that of the tick's own requests, whoever divided them and how. Where chance divides them by a known
    weight, that weight may stand instead, since then E[a^X b^Y] of one request is 1 + (q−s)(p_next − p_live): a tick of
    one side alone tells something too, and a tick of few requests tells more.
    """
    guess = share * odds / (share * odds + 1 - share)
    fee = -difference * (guess - share)
    return Bet(log(guess / share), log((1 - guess) / (1 - share)), fee, fee)


def above(limit: float) -> list[Bet]:
    """Bets against "next's rate is at most `limit`"."""
    return [_one_arm(limit, min(limit * times, HIGHEST_RATE)) for times in MULTIPLES]


def below(rate: float) -> list[Bet]:
    """Bets against "next's rate is at least `rate`"."""
    return [_one_arm(rate, rate * part) for part in FRACTIONS]


def _one_arm(null: float, guess: float) -> Bet:
    """Wald's likelihood ratio of Bernoulli outcomes."""
    good = log1p(-guess) - log1p(-null)
    return Bet(next_bad=log(guess / null) - good, next_request=good)


def test(wealth: Wealth, gains: Iterable[float]) -> Wealth:
    """Let each bet run on: the test of one hypothesis from its first tick."""
    return tuple(before + gain for before, gain in zip(wealth or repeat(0.0), gains, strict=False))


def detect(wealth: Wealth, gains: Iterable[float]) -> Wealth:
    """Open a fresh bet at every tick and let all run on (Shiryaev–Roberts): finds a change at any moment.

    The wealth less the number of ticks is a supermartingale, so that within T ticks it reaches c with
    probability at most T/c (Shin, Ramdas & Rinaldo, "E-detectors", 2023).
    """
    if not wealth:
        return tuple(gains)
    return tuple(_add_one(before) + gain for before, gain in zip(wealth, gains, strict=True))


def _add_one(value: float) -> float:
    """ln(eᵛ + 1), without overflow."""
    return max(value, 0.0) + log1p(exp(-abs(value)))


def mixture(wealth: Wealth) -> float:
    """ln of the mean wealth: the evidence of the whole grid, 0 before the first tick."""
    if not wealth:
        return 0.0
    best = max(wealth)
    return best + log(sum(exp(value - best) for value in wealth) / len(wealth))


def e_value(evidence: float) -> float:
    """Evidence as the factor people read; capped where a float would overflow."""
    return exp(min(evidence, LARGEST_LOG))
