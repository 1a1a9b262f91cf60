"""An election is settled once its outcome cannot change any more, whatever those say who have not been heard."""

from __future__ import annotations

from math import isqrt
from typing import assert_never

from watership.agents.teams.election import (
    SURE,
    ApprovalVoting,
    Election,
    Method,
    Plurality,
    QuadraticVoting,
    RankedChoice,
    WeightedVoting,
)
from watership.agents.teams.tally import Tally, leading, total_of


def settled(counted: Tally, outstanding: int) -> bool:
    """Whether `outstanding` more voters, each with a valid ballot, a bad one or none, cannot change the outcome.

    Exact for plurality, approval and weighted: where it says no, some answers would change the outcome. Of a runoff it
    sees a first majority that nobody can undo, and of quadratic votes a lead that no credits can make up for.
    """
    election, cast = counted.election, len(counted.counted)
    if outstanding == 0 or cast + outstanding < election.needed:
        return True
    leaders = leading(counted.scores)
    if cast < election.needed or len(leaders) != 1:
        return False
    most, spread = reach(election.method)
    ordered = sorted(counted.scores.values(), reverse=True)
    score, lead = ordered[0], ordered[0] - ordered[1]
    total = total_of(cast, counted.scores, election)
    if isinstance(election.method, RankedChoice):
        # More than half of all first places; then nobody is eliminated, whoever is second.
        if 2 * score <= cast + outstanding:
            return False
    elif lead <= outstanding * most:
        return False
    return _sure(election, score, total, outstanding * most, outstanding * spread)


def _sure(election: Election, score: int, total: int, gain: int, spread: int) -> bool:
    """Whether the leader passes the bar if all else go to others, or fails it if all go to the leader."""
    bar = election.bar
    if bar is None or bar.passed(score, total + spread):
        return True
    # A runoff's leader may gain by eliminations too: that it fails is certain only at the end.
    return not isinstance(election.method, RankedChoice) and not bar.passed(score + gain, total + gain)


def reach(method: Method) -> tuple[int, int]:
    """The points that one ballot can give to one candidate, and to all but one together, at most."""
    match method:
        case Plurality() | ApprovalVoting() | RankedChoice():
            return 1, 1
        case WeightedVoting():
            return SURE, SURE
        case QuadraticVoting(credits=limit):
            return isqrt(limit), limit
        case _:
            assert_never(method)
