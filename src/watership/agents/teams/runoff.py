"""An instant runoff: the last is eliminated and its ballots pass on, round by round, until one has more than half.

The rule for ties. Candidates tied for last go out together if all of them have fewer ballots than the next one has
alone: none of them could have stayed. Otherwise each of them is eliminated in turn, and each line is followed to its
end: if all lines have one winner it has won, and if not, those winners are tied. No lot, no order of the names decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

ROUNDS = 1_000
"""Rounds that are counted at most; only many ties make so many. Those who then still stand in a line that was not
followed to its end count as tied."""

Standing = frozenset[str]


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """A count among those who still stand. `exhausted`: ballots that rank none of them.

    `out`: who is eliminated after it; several groups where a tie makes several lines. `won`: who has more than half.
    """

    counts: dict[str, int]
    exhausted: int
    out: tuple[tuple[str, ...], ...] = ()
    won: str | None = None


class Runoff(msgspec.Struct, frozen=True):
    """`winners`: one, or those who are tied; `rounds`: from all candidates down."""

    winners: tuple[str, ...]
    rounds: tuple[Round, ...]


def runoff(candidates: Sequence[str], rankings: Sequence[Sequence[str]], most: int = ROUNDS) -> Runoff:
    """Count `rankings`, each from the best down, until every line has its winner."""
    rounds: list[Round] = []
    winners: set[str] = set()
    seen: set[Standing] = {frozenset(candidates)}
    lines: list[Standing] = [frozenset(candidates)]
    while lines and len(rounds) < most:
        standing = lines.pop(0)
        counted = _count([each for each in candidates if each in standing], rankings)
        rounds.append(counted)
        if counted.won is not None:
            winners.add(counted.won)
        for group in counted.out:
            rest = standing - set(group)
            if rest not in seen:
                seen.add(rest)
                lines.append(rest)
    winners.update(*lines)
    return Runoff(tuple(each for each in candidates if each in winners), tuple(rounds))


def _count(standing: Sequence[str], rankings: Sequence[Sequence[str]]) -> Round:
    counts = dict.fromkeys(standing, 0)
    exhausted = 0
    for ranking in rankings:
        best = next((each for each in ranking if each in counts), None)
        if best is None:
            exhausted += 1
        else:
            counts[best] += 1
    won = _winner(counts)
    out = () if won is not None else tuple(_last(counts))
    return Round(counts=counts, exhausted=exhausted, out=out, won=won)


def _winner(counts: dict[str, int]) -> str | None:
    """Who has more than half of the ballots that still count; or who is left alone."""
    most = max(counts.values())
    leader = next(each for each, count in counts.items() if count == most)
    return leader if len(counts) == 1 or 2 * most > sum(counts.values()) else None


def _last(counts: dict[str, int]) -> Iterator[tuple[str, ...]]:
    """The groups, one of which goes out."""
    fewest = min(counts.values())
    last = tuple(each for each, count in counts.items() if count == fewest)
    higher = [count for count in counts.values() if count > fewest]
    if higher and fewest * len(last) < min(higher):
        yield last
    else:
        yield from ((each,) for each in last)
