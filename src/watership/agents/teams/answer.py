"""An answer is what a member gave back, as data or as text; a mark is read from it, or a reason why none can be."""

from __future__ import annotations

from typing import TypeVar, assert_never

import msgspec

from watership.agents.teams.ballot import Approvals, Choice, Confidence, Mark, Ranking, Votes
from watership.agents.teams.election import (
    ApprovalVoting,
    Election,
    Method,
    Plurality,
    QuadraticVoting,
    RankedChoice,
    WeightedVoting,
)

T = TypeVar("T")


class Unreadable(ValueError):  # it becomes a refused ballot, with these words
    """An answer in another form than the one that was asked for."""


class _Sure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    choice: str
    confidence: float


def form_of(method: Method) -> str:
    """In which form a voter is to answer."""
    match method:
        case Plurality():
            return "Answer with the name of one candidate, and nothing else."
        case ApprovalVoting():
            return 'Answer with a JSON array of every candidate that you approve of: ["…", "…"].'
        case RankedChoice():
            return 'Answer with a JSON array of candidates, the best one first: ["…", "…"].'
        case QuadraticVoting(credits=limit):
            return (
                f"You have {limit} credits; n votes for a candidate cost n² of them. "
                'Answer with a JSON object of your votes by candidate: {"…": 3, "…": 1}.'
            )
        case WeightedVoting():
            return (
                "Answer with a JSON object of one candidate, and of how sure you are from 0 to 1: "
                '{"choice": "…", "confidence": 0.8}.'
            )
        case _:
            assert_never(method)


def prompt_of(question: str, election: Election) -> str:
    """What a voter that takes text is asked."""
    listed = "\n".join(f"- {each}" for each in election.candidates)
    return f"{question}\n\nThe candidates:\n{listed}\n\n{form_of(election.method)}"


def mark_of(answer: object, method: Method) -> Mark:
    """The mark in `answer`, which is data, or text that says it. Raises Unreadable."""
    match method:
        case Plurality():
            return Choice(read(answer, str).strip())
        case ApprovalVoting():
            return Approvals(read(answer, tuple[str, ...]))
        case RankedChoice():
            return Ranking(read(answer, tuple[str, ...]))
        case QuadraticVoting():
            return Votes(read(answer, dict[str, int]))
        case WeightedVoting():
            sure = read(answer, _Sure)
            return Confidence(sure.choice, sure.confidence)
        case _:
            assert_never(method)


def read(answer: object, kind: type[T]) -> T:
    """The answer as `kind`, given as data or as JSON in a text. Raises Unreadable."""
    try:
        if isinstance(answer, str) and kind is not str:
            return msgspec.json.decode(answer, type=kind)
        return msgspec.convert(answer, kind)
    except msgspec.DecodeError as reason:
        raise Unreadable(f"The answer is not in the form that was asked for: {reason}.") from reason
