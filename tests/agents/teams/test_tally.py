"""Tallies agree with references counted in another way, and say a tie, no quorum and no consensus as such."""

from __future__ import annotations

import random
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.teams.elections import METHODS, NAMES, cast, choices, elections
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
from watership.agents.teams.tally import (
    Decided,
    NoConsensus,
    NoQuorum,
    Outcome,
    Tally,
    Tied,
    Undecided,
    tally,
)
from watership.errors import BadInput

SUMMED = [method for method in METHODS if not isinstance(method, RankedChoice)]


def of(
    *names: str,
    method: Method | None = None,
    electorate: int = 9,
    quorum: int | float = 1,
    bar: Bar | None = None,
) -> Election:
    return Election(
        candidates=names, electorate=electorate, method=method or Plurality(), quorum=quorum, bar=bar
    )


# --- references: counted with fractions, candidate by candidate, from the ballots alone ---------------------


def support(mark: Mark, name: str) -> Fraction:
    match mark:
        case Choice(candidate):
            return Fraction(candidate == name)
        case Approvals(candidates):
            return Fraction(name in candidates)
        case Votes(votes):
            return Fraction(votes.get(name, 0))
        case Confidence(candidate, confidence):
            return Fraction(str(confidence)) if candidate == name else Fraction(0)
        case Ranking():
            raise AssertionError("a ranking is counted in rounds")


def valid(mark: Mark, election: Election) -> bool:
    match mark:
        case Choice(candidate) | Confidence(candidate, _):
            return candidate in election.candidates
        case Approvals(candidates) | Ranking(candidates):
            return set(candidates) <= set(election.candidates)
        case Votes(votes):
            assert isinstance(election.method, QuadraticVoting)
            return set(votes) <= set(election.candidates) and (
                sum(n**2 for n in votes.values()) <= election.method.credits
            )


def reference(election: Election, ballots: list[Ballot]) -> Outcome | str:
    good = [ballot.mark for ballot in ballots if valid(ballot.mark, election)]
    needed = election.quorum if isinstance(election.quorum, int) else -(-election.quorum * 9 // 1)
    if len(good) < needed:
        return "no quorum"
    sums = {name: sum((support(mark, name) for mark in good), Fraction(0)) for name in election.candidates}
    best = max(sums.values())
    first = [name for name in election.candidates if sums[name] == best]
    if best == 0:
        return "no consensus"
    if len(first) > 1:
        return Tied(tuple(first))
    whole = sum(sums.values()) if isinstance(election.method, QuadraticVoting | WeightedVoting) else len(good)
    enough = {
        None: True,
        MAJORITY: best * 2 > whole,
        TWO_THIRDS: best * 3 >= 2 * whole,
        UNANIMITY: best == whole,
    }[election.bar]
    return Decided(first[0]) if enough else "no consensus"


def kind(outcome: Outcome) -> Outcome | str:
    """An outcome as the reference tells it."""
    match outcome:
        case NoQuorum():
            return "no quorum"
        case NoConsensus():
            return "no consensus"
        case _:
            return outcome


@given(elections(SUMMED))
def test_sums_agree_with_the_reference(drawn: tuple[Election, list[Ballot]]) -> None:
    election, ballots = drawn
    assert kind(tally(ballots, election).outcome) == reference(election, ballots)


# --- laws ---------------------------------------------------------------------------------------------------


@given(elections(), st.integers())
def test_the_order_of_the_ballots_changes_nothing(drawn: tuple[Election, list[Ballot]], seed: int) -> None:
    election, ballots = drawn
    shuffled = random.Random(seed).sample(ballots, len(ballots))
    assert tally(shuffled, election) == tally(ballots, election)


@given(elections(), st.permutations(NAMES))
def test_the_names_of_the_candidates_change_nothing_but_the_names(
    drawn: tuple[Election, list[Ballot]], names: list[str]
) -> None:
    election, ballots = drawn
    other = dict(zip(NAMES, names, strict=True))
    renamed = msgspec.structs.replace(
        election, candidates=tuple(sorted(other[name] for name in election.candidates))
    )
    marked = [Ballot(each.voter, rename(each.mark, other)) for each in ballots]
    before, after = tally(ballots, election).outcome, tally(marked, renamed).outcome
    match before, after:
        case Decided(winner), Decided(now):
            assert now == other[winner]
        case Tied(tied), Tied(now_tied):
            assert set(now_tied) == {other[name] for name in tied}
        case _:
            assert type(before) is type(after)


def rename(mark: Mark, other: dict[str, str]) -> Mark:
    def new(name: str) -> str:
        return other.get(name, name)

    match mark:
        case Choice(candidate):
            return Choice(new(candidate))
        case Approvals(candidates):
            return Approvals(tuple(map(new, candidates)))
        case Ranking(candidates):
            return Ranking(tuple(map(new, candidates)))
        case Votes(votes):
            return Votes({new(name): count for name, count in votes.items()})
        case Confidence(candidate, confidence):
            return Confidence(new(candidate), confidence)


@given(elections(SUMMED))
def test_one_more_ballot_for_the_winner_leaves_it_the_winner(drawn: tuple[Election, list[Ballot]]) -> None:
    election, ballots = drawn
    before = tally(ballots, election).outcome
    if isinstance(before, Decided):
        marks: dict[str, Mark] = {
            "plurality": Choice(before.winner),
            "approval": Approvals((before.winner,)),
            "quadratic": Votes({before.winner: 3}),
            "weighted": Confidence(before.winner, 1.0),
        }
        more = marks[str(election.method.__struct_config__.tag)]
        assert tally([*ballots, Ballot("one more", more)], election).outcome == before


@given(elections())
def test_every_ballot_is_counted_or_refused_with_a_reason(drawn: tuple[Election, list[Ballot]]) -> None:
    election, ballots = drawn
    counted = tally(ballots, election)
    assert [*counted.counted] == [each for each in ballots if valid(each.mark, election)]
    assert {each.voter for each in counted.refused} == {
        each.voter for each in ballots if not valid(each.mark, election)
    }
    assert all(each.reason for each in counted.refused)


@given(elections())
def test_a_tally_survives_its_journal(drawn: tuple[Election, list[Ballot]]) -> None:
    election, ballots = drawn
    counted = tally(ballots, election)
    assert msgspec.json.decode(msgspec.json.encode(counted), type=Tally) == counted


# --- what people ask ----------------------------------------------------------------------------------------


def test_a_tie_is_told_as_a_tie() -> None:
    counted = tally(choices("a", "b", "b", "a", "c"), of("a", "b", "c"))
    assert counted.outcome == Tied(("a", "b"))


def test_too_few_ballots_are_no_quorum_however_clear_they_are() -> None:
    assert tally(choices("a", "a"), of("a", "b", quorum=3)).outcome == NoQuorum(2, 3)
    assert tally(choices("a", "a"), of("a", "b", electorate=5, quorum=0.6)).outcome == NoQuorum(2, 3)
    assert tally(choices("a", "a", "a"), of("a", "b", electorate=5, quorum=0.6)).outcome == Decided("a")
    assert tally([], of("a", "b")).outcome == NoQuorum(0, 1)


def test_a_refused_ballot_makes_no_quorum() -> None:
    counted = tally(choices("a", "a", "nobody"), of("a", "b", quorum=3))
    assert counted.outcome == NoQuorum(2, 3)
    (refused,) = counted.refused
    assert (refused.voter, refused.reason) == ("v02", "There is no candidate 'nobody'.")


def test_who_leads_below_the_bar_has_not_won() -> None:
    counted = tally(choices("a", "a", "b", "c"), of("a", "b", "c", bar=MAJORITY))
    assert counted.outcome == NoConsensus("a", 2, 4)  # half is not more than half
    assert tally(choices("a", "a", "b"), of("a", "b", bar=TWO_THIRDS)).outcome == Decided("a")
    assert tally(choices("a", "a", "b"), of("a", "b", bar=UNANIMITY)).outcome == NoConsensus("a", 2, 3)


def test_nobody_wins_an_election_without_a_vote() -> None:
    assert tally(cast(Approvals(()), Approvals(())), of("a", "b", method=ApprovalVoting())).outcome == (
        NoConsensus(None, 0, 0)
    )


def test_only_a_decided_tally_has_a_winner() -> None:
    assert tally(choices("a"), of("a", "b")).winner == "a"
    with pytest.raises(Undecided, match=r"a, b are tied\. Look at tally\.outcome"):
        _ = tally(choices("a", "b"), of("a", "b")).winner


def test_quadratic_credits_are_enforced() -> None:
    election = of("a", "b", method=QuadraticVoting(credits=10))
    counted = tally(cast(Votes({"a": 3, "b": 1}), Votes({"a": 3, "b": 2}), Votes({"b": -1})), election)
    assert counted.scores == {"a": 3, "b": 1}
    assert [each.reason for each in counted.refused] == [
        "It costs 13 credits of 10.",
        "Votes against a candidate are not taken.",
    ]


def test_confidence_adds_up_without_a_rounding_error() -> None:
    election = of("a", "b", method=WeightedVoting())
    counted = tally(cast(Confidence("a", 0.1), Confidence("a", 0.2), Confidence("b", 0.3)), election)
    assert counted.outcome == Tied(("a", "b"))


def test_confidence_beyond_one_is_refused() -> None:
    counted = tally(
        cast(Confidence("a", 1.1), Confidence("b", -0.1), Confidence("b", 0.4)),
        of("a", "b", method=WeightedVoting()),
    )
    assert (counted.outcome, len(counted.refused)) == (Decided("b"), 2)


def test_who_votes_twice_has_no_vote() -> None:
    ballots = [Ballot("ann", Choice("a")), Ballot("ann", Choice("a")), Ballot("bob", Choice("b"))]
    counted = tally(ballots, of("a", "b"))
    assert counted.outcome == Decided("b")
    assert [each.reason for each in counted.refused] == ["ann voted 2 times."] * 2


def test_a_ballot_of_another_method_is_refused() -> None:
    counted = tally(cast(Ranking(("a",)), Choice("b")), of("a", "b"))
    assert counted.outcome == Decided("b")
    assert counted.refused[0].reason == "A ranking ballot has no place in a plurality election."


def test_a_name_twice_on_one_ballot_spoils_it() -> None:
    counted = tally(cast(Approvals(("a", "a"))), of("a", "b", method=ApprovalVoting()))
    assert counted.outcome == NoQuorum(0, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": ("a",)},
        {"candidates": ("a", "a")},
        {"candidates": ("a", "")},
        {"electorate": 0},
        {"quorum": 0},
        {"quorum": 10},
        {"quorum": 0.0},
        {"quorum": 1.5},
        {"method": QuadraticVoting(credits=0)},
    ],
)
def test_an_election_that_cannot_be_held_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        msgspec.structs.replace(of("a", "b"), **wrong)


def test_more_ballots_than_voters_are_refused() -> None:
    with pytest.raises(BadInput, match="the electorate is 1"):
        tally(choices("a", "b"), of("a", "b", electorate=1))
