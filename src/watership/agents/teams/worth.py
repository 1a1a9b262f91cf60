"""Another round of ideas is worth its price, or not: decided by what the rounds before it gained."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watership.errors import BadInput

KEEP = 5
"""Ideas on the short list whose scores count: a brainstorm is for a few good ones, not for many."""


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """`price`: of one round. `point`: what one more point of score on the short list is worth, in the same money."""

    price: float
    point: float
    keep: int = KEEP

    def __post_init__(self) -> None:
        if self.price < 0 or self.point < 0 or self.keep < 1:
            raise BadInput(
                f"A round cannot cost {self.price} for a point worth {self.point}, {self.keep} ideas kept.",
                fix="Give a price and a worth of 0 or more, and keep at least one idea.",
            )


def short_list(scores: Sequence[float], keep: int) -> float:
    """The sum of the best `keep` scores: what a brainstorm has reached. Ideas below them add nothing."""
    return sum(sorted(scores, reverse=True)[:keep])


def gains_of(rounds: Sequence[Sequence[float]], keep: int) -> list[float]:
    """By how much each round, with the scores of its new ideas, made the short list better."""
    known: list[float] = []
    gains: list[float] = []
    reached = 0.0
    for scores in rounds:
        known.extend(scores)
        now = short_list(known, keep)
        gains.append(now - reached)
        reached = now
    return gains


def expected(gains: Sequence[float]) -> float:
    """What the next round will gain: as much less than the last one as that one gained less than the one before it.

    gain(n+1) = gain(n) · min(1, gain(n) / gain(n-1)): ideas run out, and never come faster. After one round there is no
    rate yet, and the next is expected to gain as much as the first; after a round without a gain, nothing is expected.
    """
    if not gains or gains[-1] <= 0:
        return 0.0
    rate = min(1.0, gains[-1] / gains[-2]) if len(gains) > 1 and gains[-2] > 0 else 1.0
    return gains[-1] * rate


def worth_another(rounds: Sequence[Sequence[float]], worth: Worth) -> bool:
    """Whether the next round is worth its price: what it is expected to gain, times a point's worth, is above it.

    `rounds` has the scores of each round's new ideas. The first round is always held: nothing is known before it.
    """
    return not rounds or expected(gains_of(rounds, worth.keep)) * worth.point > worth.price
