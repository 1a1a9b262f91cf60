"""An election says who may be chosen, by which method, and when a choice holds; and whether a ballot is valid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import assert_never

import msgspec

from watership.agents.teams.ballot import Approvals, Ballot, Choice, Confidence, Mark, Ranking, Refused, Votes
from watership.errors import BadInput

CANDIDATES = 100
"""Candidates of one election: nobody ranks more with care."""

CREDITS = 100
"""A voter's credits, unless the election says otherwise: ten votes for one candidate, or many for several."""

SURE = 1_000_000
"""Confidence is counted in millionths, so that sums are exact and ties are ties."""


HALF = 0.5
"""The quorum unless one is given: half of those who may vote. One voter of five does not speak for the others."""


class Plurality(msgspec.Struct, frozen=True, tag="plurality"):
    """One vote each; most votes lead."""


class ApprovalVoting(msgspec.Struct, frozen=True, tag="approval"):
    """A vote for everybody who would do; most votes lead."""


class RankedChoice(msgspec.Struct, frozen=True, tag="ranked_choice"):
    """Instant runoff: the last is eliminated and its ballots pass on, until one has more than half (runoff.py)."""


class QuadraticVoting(msgspec.Struct, frozen=True, tag="quadratic"):
    """n votes for a candidate cost n² of a voter's credits; a ballot that costs more is refused."""

    credits: int = CREDITS


class WeightedVoting(msgspec.Struct, frozen=True, tag="weighted"):
    """One vote each, which weighs as much as the voter is sure; most weight leads. Scores are in millionths."""


Method = Plurality | ApprovalVoting | RankedChoice | QuadraticVoting | WeightedVoting


class Bar(msgspec.Struct, frozen=True):
    """The share that a leader needs: `above` it, or at least it.

    Of what: plurality, approval and ranked choice, of the valid ballots (exhausted ones included); quadratic, of all
    votes given; weighted, of all weight.
    """

    numerator: int
    denominator: int
    above: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.numerator <= self.denominator or (self.above and self.numerator == self.denominator):
            raise BadInput(
                f"No leader can have {self}: a share is more than 0, and not above 1.",
                fix="Take MAJORITY, TWO_THIRDS, UNANIMITY, or a Bar of your own.",
            )

    def passed(self, score: int, total: int) -> bool:
        """Whether `score` of `total` is enough."""
        have, need = score * self.denominator, self.numerator * total
        return have > need if self.above else have >= need

    def __str__(self) -> str:
        return f"{'more than' if self.above else 'at least'} {self.numerator}/{self.denominator}"


MAJORITY = Bar(1, 2, above=True)
TWO_THIRDS = Bar(2, 3)
UNANIMITY = Bar(1, 1)


class Election(msgspec.Struct, frozen=True, kw_only=True):
    """`electorate`: how many may vote. `quorum`: how many valid ballots it takes, as a count, or as a share of the
    electorate (a float: 1 is one ballot, 1.0 is everybody's). `bar`: what a leader needs; None: to lead."""

    candidates: tuple[str, ...]
    electorate: int
    method: Method = Plurality()
    quorum: int | float = HALF
    bar: Bar | None = None

    def __post_init__(self) -> None:
        _check_candidates(self.candidates)
        if isinstance(self.method, QuadraticVoting) and self.method.credits < 1:
            raise BadInput(f"{self.method.credits} credits buy no vote.", fix="Give at least 1.")
        if self.electorate < 1:
            raise BadInput(f"Of {self.electorate} voters none can vote.", fix="Ask at least one.")
        _check_quorum(self.quorum, self.electorate)

    @property
    def needed(self) -> int:
        """The valid ballots that make a quorum."""
        if isinstance(self.quorum, int):
            return self.quorum
        # By way of the text: 0.6 of 5 are 3, and not a little more.
        return max(1, ceil(Fraction(str(self.quorum)) * self.electorate))


def _check_candidates(candidates: Sequence[str]) -> None:
    if not 2 <= len(candidates) <= CANDIDATES:
        raise BadInput(
            f"{len(candidates)} candidates are no choice.", fix=f"Give between 2 and {CANDIDATES} of them."
        )
    if len(set(candidates)) < len(candidates) or not all(candidates):
        raise BadInput("A candidate is named twice, or has no name.", fix="Give each a name of its own.")


def _check_quorum(quorum: int | float, electorate: int) -> None:
    most = electorate if isinstance(quorum, int) else 1
    if not 0 < quorum <= most or (isinstance(quorum, int) and quorum < 1):
        raise BadInput(
            f"A quorum of {quorum} cannot be reached by {electorate} voters, or is none.",
            fix="Give a count from 1 to the number of voters, or a share above 0 and up to 1.0.",
        )


def validated(
    ballots: Sequence[Ballot], election: Election
) -> tuple[tuple[Ballot, ...], tuple[Refused, ...]]:
    """The ballots that count, and those that do not, each in the order of the voters' names.

    Of a voter with several ballots none counts: which came first is not for a tally to know.
    """
    voters = Counter(ballot.voter for ballot in ballots)
    counted: list[Ballot] = []
    refused: list[Refused] = []
    for ballot in sorted(
        ballots, key=lambda each: (each.voter, msgspec.json.encode(each.mark, order="sorted"))
    ):
        times = voters[ballot.voter]
        flaw = f"{ballot.voter} voted {times} times." if times > 1 else flaw_of(ballot.mark, election)
        if flaw is None:
            counted.append(ballot)
        else:
            refused.append(Refused(ballot.voter, _data(ballot.mark), flaw))
    return tuple(counted), tuple(refused)


def _data(mark: Mark) -> object:
    """The mark as it comes back from a journal."""
    return msgspec.json.decode(msgspec.json.encode(mark))


def flaw_of(mark: Mark, election: Election) -> str | None:
    """Why a mark is not valid in this election; None if it is."""
    match mark, election.method:
        case Choice(candidate=candidate), Plurality():
            return _unknown((candidate,), election)
        case Approvals(candidates=candidates), ApprovalVoting():
            return _unknown(candidates, election)
        case Ranking(candidates=candidates), RankedChoice():
            return _unknown(candidates, election) or (None if candidates else "It ranks nobody.")
        case Votes(votes=votes), QuadraticVoting(credits=limit):
            return _unknown(tuple(votes), election) or _overspent(votes, limit)
        case Confidence(candidate=candidate, confidence=confidence), WeightedVoting():
            return _unknown((candidate,), election) or _unsure(confidence)
        case _:
            return f"A {_tag(mark)} ballot has no place in a {_tag(election.method)} election."


def _unknown(named: Sequence[str], election: Election) -> str | None:
    strangers = sorted(set(named) - set(election.candidates))
    if strangers:
        return f"There is no candidate {strangers[0]!r}."
    return "It names a candidate twice." if len(set(named)) < len(named) else None


def _overspent(votes: dict[str, int], limit: int) -> str | None:
    if any(count < 0 for count in votes.values()):
        return "Votes against a candidate are not taken."
    cost = sum(count * count for count in votes.values())
    return f"It costs {cost} credits of {limit}." if cost > limit else None


def _unsure(confidence: float) -> str | None:
    return None if 0 <= confidence <= 1 else f"A confidence of {confidence} is not between 0 and 1."


def weight_of(confidence: float) -> int:
    """A confidence in millionths, by way of its text: 0.1 and 0.2 are 0.3."""
    return round(Decimal(str(confidence)) * SURE)


def _tag(value: Mark | Method) -> str:
    return str(type(value).__struct_config__.tag)


def mark_kind(method: Method) -> type[Mark]:
    """The kind of mark that a method asks for."""
    match method:
        case Plurality():
            return Choice
        case ApprovalVoting():
            return Approvals
        case RankedChoice():
            return Ranking
        case QuadraticVoting():
            return Votes
        case WeightedVoting():
            return Confidence
        case _:
            assert_never(method)
