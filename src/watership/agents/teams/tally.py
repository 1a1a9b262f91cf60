"""A tally is the outcome of an election with everything that led to it. Only a decided one has a winner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from watership.agents.teams.ballot import Approvals, Ballot, Choice, Confidence, Mark, Ranking, Refused, Votes
from watership.agents.teams.election import (
    Election,
    QuadraticVoting,
    RankedChoice,
    WeightedVoting,
    validated,
    weight_of,
)
from watership.agents.teams.runoff import Round, runoff
from watership.errors import BadInput, ProgramError


class Decided(msgspec.Struct, frozen=True, tag="decided"):
    """`winner` leads alone, with a quorum, and passes the bar if there is one."""

    winner: str


class Tied(msgspec.Struct, frozen=True, tag="tied"):
    """These lead together. Nothing is decided."""

    candidates: tuple[str, ...]


class NoQuorum(msgspec.Struct, frozen=True, tag="no_quorum"):
    """Too few valid ballots."""

    cast: int
    needed: int


class NoConsensus(msgspec.Struct, frozen=True, tag="no_consensus"):
    """`leader` leads with `score` of `total`, which is not enough; or nobody has a vote at all."""

    leader: str | None
    score: int
    total: int


Outcome = Decided | Tied | NoQuorum | NoConsensus


class Undecided(ProgramError):
    """The winner of an election that has none was asked for."""

    code = "undecided"

    def __init__(self, outcome: Tied | NoQuorum | NoConsensus) -> None:
        super().__init__(
            f"The vote has no winner: {told(outcome)}.",
            fix="Look at tally.outcome, and say what is to happen then.",
        )
        self.outcome = outcome


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """`scores`: by candidate, in the election's order; of a runoff's first round, whose `rounds` are all here.

    `counted` and `refused` hold every ballot. `unheard`: voters who were not waited for, because the outcome could
    not change any more.
    """

    election: Election
    outcome: Outcome
    scores: dict[str, int]
    counted: tuple[Ballot, ...]
    refused: tuple[Refused, ...] = ()
    unheard: tuple[str, ...] = ()
    rounds: tuple[Round, ...] = ()

    @property
    def winner(self) -> str:
        """The winner. Raises Undecided if there is none: a tie, too few ballots, no consensus."""
        if isinstance(self.outcome, Decided):
            return self.outcome.winner
        raise Undecided(self.outcome)


def told(outcome: Outcome) -> str:
    """The outcome in words."""
    match outcome:
        case Decided(winner=winner):
            return f"{winner} has won"
        case Tied(candidates=candidates):
            return f"{', '.join(candidates)} are tied"
        case NoQuorum(cast=cast, needed=needed):
            return f"{cast} valid ballots of the {needed} that are needed"
        case NoConsensus(leader=None):
            return "nobody has a vote"
        case NoConsensus(leader=leader, score=score, total=total):
            return f"{leader} leads with {score} of {total}, which is not enough"
        case _:
            assert_never(outcome)


def tally(ballots: Sequence[Ballot], election: Election) -> Tally:
    """Count `ballots`. Their order is of no consequence, nor is that of the candidates' names."""
    counted, refused = validated(ballots, election)
    if len(counted) > election.electorate:
        raise BadInput(
            f"{len(counted)} voted, and the electorate is {election.electorate}.",
            fix="Say how many may vote.",
        )
    points = scores_of([ballot.mark for ballot in counted], election.candidates)
    rounds: tuple[Round, ...] = ()
    leaders = leading(points)
    if isinstance(election.method, RankedChoice) and len(counted) >= election.needed:
        leaders, rounds = _ranked(counted, election)
    return Tally(
        election=election,
        outcome=_outcome(len(counted), points, leaders, rounds, election),
        scores=points,
        counted=counted,
        refused=refused,
        rounds=rounds,
    )


def _ranked(counted: Sequence[Ballot], election: Election) -> tuple[tuple[str, ...], tuple[Round, ...]]:
    rankings = [each.mark.candidates for each in counted if isinstance(each.mark, Ranking)]
    ended = runoff(election.candidates, rankings)
    return ended.winners, ended.rounds


def _outcome(
    cast: int, points: dict[str, int], leaders: tuple[str, ...], rounds: Sequence[Round], election: Election
) -> Outcome:
    if cast < election.needed:
        return NoQuorum(cast, election.needed)
    if not leaders:
        return NoConsensus(None, 0, 0)
    if len(leaders) > 1:
        return Tied(leaders)
    (leader,) = leaders
    # The line in which it had the least, where ties made several.
    score = min((each.counts[leader] for each in rounds if each.won == leader), default=points[leader])
    total = total_of(cast, points, election)
    if election.bar is not None and not election.bar.passed(score, total):
        return NoConsensus(leader, score, total)
    return Decided(leader)


def leading(points: dict[str, int]) -> tuple[str, ...]:
    """Those with the most points; nobody, if nobody has any."""
    most = max(points.values())
    return tuple(each for each, score in points.items() if score == most) if most else ()


def total_of(cast: int, points: dict[str, int], election: Election) -> int:
    """What a score is a share of: the ballots, or for the methods that weigh, all that was given."""
    return sum(points.values()) if isinstance(election.method, QuadraticVoting | WeightedVoting) else cast


def scores_of(marks: Sequence[Mark], candidates: Sequence[str]) -> dict[str, int]:
    """The points of each candidate: votes, or millionths of confidence; of a ranking, first places."""
    points = dict.fromkeys(candidates, 0)
    for mark in marks:
        for candidate, given in given_by(mark).items():
            points[candidate] += given
    return points


def given_by(mark: Mark) -> dict[str, int]:
    """The points that one mark gives."""
    match mark:
        case Choice(candidate=candidate):
            return {candidate: 1}
        case Approvals(candidates=approved):
            return dict.fromkeys(approved, 1)
        case Ranking(candidates=ranked):
            return dict.fromkeys(ranked[:1], 1)
        case Votes(votes=votes):
            return votes
        case Confidence(candidate=candidate, confidence=confidence):
            return {candidate: weight_of(confidence)}
        case _:
            assert_never(mark)
