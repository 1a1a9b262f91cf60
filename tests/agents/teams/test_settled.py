"""What is settled no answer can change; what is not settled some answer would change."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.teams.elections import METHODS, choices, elections, marks
from watership.agents.teams.ballot import Approvals, Ballot, Choice, Mark
from watership.agents.teams.election import MAJORITY, ApprovalVoting, Election, Plurality
from watership.agents.teams.settled import settled
from watership.agents.teams.tally import Decided, Outcome, tally


def what(outcome: Outcome) -> object:
    """The part of an outcome that a program decides by."""
    return outcome if isinstance(outcome, Decided) else type(outcome)


def every(election: Election) -> list[Mark]:
    """Every valid mark, and a bad one, which is the same as none."""
    if isinstance(election.method, Plurality):
        return [Choice(name) for name in (*election.candidates, "nobody")]
    subsets = (chosen for size in range(4) for chosen in combinations((*election.candidates, "nobody"), size))
    return [Approvals(chosen) for chosen in subsets]


def endings(election: Election, ballots: list[Ballot], outstanding: int) -> Iterator[object]:
    for more in product(every(election), repeat=outstanding):
        late = [Ballot(f"late{number}", mark) for number, mark in enumerate(more)]
        yield what(tally([*ballots, *late], election).outcome)


@given(
    elections([Plurality(), ApprovalVoting()]).filter(lambda drawn: len(drawn[0].candidates) == 3),
    st.integers(1, 2),
)
def test_settled_is_exact_where_every_answer_can_be_tried(
    drawn: tuple[Election, list[Ballot]], outstanding: int
) -> None:
    election, ballots = drawn
    ballots = ballots[: 9 - outstanding]
    now = tally(ballots, election)
    assert settled(now, outstanding) == (len(set(endings(election, ballots, outstanding))) == 1)


@given(st.data(), elections(METHODS))
def test_nothing_that_is_settled_changes_by_any_method(
    data: st.DataObject, drawn: tuple[Election, list[Ballot]]
) -> None:
    election, ballots = drawn
    outstanding = data.draw(st.integers(1, 9 - len(ballots)))
    now = tally(ballots, election)
    if settled(now, outstanding):
        late = data.draw(st.lists(marks(election.method, election.candidates), max_size=outstanding))
        more = [Ballot(f"late{number}", mark) for number, mark in enumerate(late)]
        assert what(tally([*ballots, *more], election).outcome) == what(now.outcome)


@pytest.mark.parametrize("method", METHODS)
def test_who_was_heard_in_full_is_settled(method: object) -> None:
    election = Election(candidates=("a", "b"), electorate=2, method=method)  # type: ignore[arg-type]
    assert settled(tally([], election), 0)


def test_three_of_five_settle_a_majority() -> None:
    election = Election(candidates=("a", "b"), electorate=5, bar=MAJORITY)
    assert not settled(tally(choices("a", "a"), election), 3)
    assert settled(tally(choices("a", "a", "a"), election), 2)


def test_a_quorum_that_cannot_be_reached_any_more_is_settled() -> None:
    election = Election(candidates=("a", "b"), electorate=5, quorum=4)
    assert not settled(tally(choices("a"), election), 3)
    assert settled(tally(choices("a"), election), 2)


def test_a_clear_lead_without_a_quorum_is_not_settled() -> None:
    election = Election(candidates=("a", "b"), electorate=9, quorum=8)
    assert not settled(tally(choices(*"aaaaaaa"), election), 2)
