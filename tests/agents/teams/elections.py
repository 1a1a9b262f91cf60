"""Elections for tests: drawn by hypothesis, or written down."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from watership.agents.teams.ballot import Approvals, Ballot, Choice, Confidence, Mark, Ranking, Votes
from watership.agents.teams.election import (
    MAJORITY,
    TWO_THIRDS,
    UNANIMITY,
    ApprovalVoting,
    Bar,
    Election,
    Method,
    Plurality,
    QuadraticVoting,
    RankedChoice,
    WeightedVoting,
)

NAMES = ("a", "b", "c", "d")
METHODS: tuple[Method, ...] = (
    Plurality(),
    ApprovalVoting(),
    RankedChoice(),
    QuadraticVoting(credits=9),
    WeightedVoting(),
)
BARS: tuple[Bar | None, ...] = (None, MAJORITY, TWO_THIRDS, UNANIMITY)


def cast(*marks: Mark) -> list[Ballot]:
    """A ballot each, of voters v0, v1 and so on."""
    return [Ballot(f"v{number:02}", mark) for number, mark in enumerate(marks)]


def choices(*names: str) -> list[Ballot]:
    return cast(*(Choice(name) for name in names))


def rankings(*groups: tuple[int, str]) -> list[tuple[str, ...]]:
    """So many voters with this ranking, of names of one letter."""
    return [tuple(ranked) for count, ranked in groups for _ in range(count)]


def marks(method: Method, names: Sequence[str] = NAMES, *, valid: bool = False) -> st.SearchStrategy[Mark]:
    """Marks that a method asks for; some name nobody or cost too much, unless they are to be `valid`."""
    one = st.sampled_from([*names] if valid else [*names, "nobody"])
    drawn: st.SearchStrategy[Mark]
    match method:
        case Plurality():
            drawn = st.builds(Choice, one)
        case ApprovalVoting():
            drawn = st.builds(Approvals, st.lists(one, unique=True).map(tuple))
        case RankedChoice():
            drawn = st.builds(Ranking, st.lists(one, min_size=1, unique=True).map(tuple))
        case QuadraticVoting(credits=limit):
            votes = st.dictionaries(one, st.integers(0, 3))
            if valid:
                votes = votes.filter(lambda drawn: sum(n * n for n in drawn.values()) <= limit)
            drawn = st.builds(Votes, votes)
        case WeightedVoting():
            drawn = st.builds(Confidence, one, st.integers(0, 10).map(lambda tenths: tenths / 10))
    return drawn


@st.composite
def elections(
    draw: st.DrawFn, methods: Sequence[Method] = METHODS, *, valid: bool = False
) -> tuple[Election, list[Ballot]]:
    """An election of three or four, and up to eight ballots of an electorate of nine."""
    names = NAMES[: draw(st.integers(3, 4))]
    method = draw(st.sampled_from(methods))
    quorum = draw(st.sampled_from([1, 3, 0.5, 1.0]))
    drawn = draw(st.lists(marks(method, names, valid=valid), max_size=8))
    bar = draw(st.sampled_from(BARS))
    return Election(candidates=names, electorate=9, method=method, quorum=quorum, bar=bar), cast(*drawn)
