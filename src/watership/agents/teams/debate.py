"""A debate lets two or more sides speak by turns, and then a judge, or several, decides between them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watership.agents.llm import Agent
from watership.agents.teams.election import Bar
from watership.agents.teams.fan_out import AtLeast, fan_out
from watership.agents.teams.member import Member, Members, members_of
from watership.agents.teams.tally import Tally
from watership.agents.teams.vote import vote
from watership.durable.events import Failure
from watership.errors import BadInput

ROUNDS = 20
"""Rounds of one debate at most: each one makes every prompt longer."""

SPEAKERS = 2
"""Sides that must speak in each round; with fewer it is no debate, and TooManyFailed is raised."""


class Speech(msgspec.Struct, frozen=True):
    """What a side said in a round; or why it said nothing."""

    round: int
    side: str
    words: str = ""
    failure: Failure | None = None


class Debate(msgspec.Struct, frozen=True):
    """Every speech in its order, and the judges' tally: look at its outcome, as at that of any vote."""

    speeches: tuple[Speech, ...]
    tally: Tally

    @property
    def winner(self) -> str:
        """The side that won. Raises Undecided if none did: the judge failed, or judges are tied."""
        return self.tally.winner


async def debate(
    question: str,
    sides: Members,
    judge: Member | Members,
    *,
    rounds: int = 2,
    bar: Bar | None = None,
    seconds: float | None = None,
) -> Debate:
    """Let the `sides` speak `rounds` times, all at once, each knowing what was said in the rounds before; then judge.

    `judge` is one member, or several, who vote (with `bar`) for a side each. A side that says nothing in a round is
    recorded as silent.
    """
    named = members_of(sides)
    if not 1 <= rounds <= ROUNDS or len(named) < SPEAKERS:
        raise BadInput(
            f"A debate of {len(named)} sides in {rounds} rounds.",
            fix=f"Give {SPEAKERS} sides or more, and between 1 and {ROUNDS} rounds.",
        )
    speeches: list[Speech] = []
    for number in range(1, rounds + 1):
        asked = {side: turn_of(question, side, number, rounds, speeches) for side in named}
        said = await fan_out(asked, named, policy=AtLeast(SPEAKERS), seconds=seconds)
        speeches += [
            Speech(number, side, failure=said.failures[side])
            if side in said.failures
            else Speech(number, side, _words(said.results[side]))
            for side in named
        ]
    told = f"{question}\n\n{transcript(speeches)}\n\nWhich side has the better case?"
    return Debate(tuple(speeches), await vote(told, [*named], _judges(judge), bar=bar, seconds=seconds))


def turn_of(question: str, side: str, number: int, rounds: int, speeches: Sequence[Speech]) -> str:
    """What a side is asked in a round."""
    before = f"\n\n{transcript(speeches)}" if speeches else ""
    return f"{question}{before}\n\nYou speak for: {side}. This is round {number} of {rounds}. Make your case."


def transcript(speeches: Sequence[Speech]) -> str:
    """What was said, for those who speak or judge next."""
    return "\n\n".join(
        f"Round {each.round}, {each.side}: {each.words if each.failure is None else '(said nothing)'}"
        for each in speeches
    )


def _judges(judge: Member | Members) -> Members:
    return {"judge": judge} if isinstance(judge, str | Agent) or callable(judge) else judge


def _words(answer: object) -> str:
    return answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()
