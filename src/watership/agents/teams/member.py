"""A member of a team is an agent, by its name, or an async function of the program that leads the team."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from watership.agents.llm import Agent
from watership.durable import Effect, Ended, Returned, child, step, timeout
from watership.durable.codec import decode, encode
from watership.durable.events import Failure
from watership.durable.program import failure_of
from watership.errors import BadInput, ProgramError

MEMBERS = 1_000
"""Members of one team. What needs more is a fan-out of teams."""

Member = str | Agent | Callable[[Any], Awaitable[Any]]
"""An agent by its name gets a run of its own, a child of this one. An Agent or a function runs as a branch of this run;
what a function does to the world belongs into steps, as everywhere."""

Members = Mapping[str, Member] | Sequence[str]
"""Members by name; or names of agents alone, each of which stands for itself."""


class Heard(msgspec.Struct, frozen=True):
    """What a member said, as data; or why it said nothing."""

    member: str
    answer: Any = None
    failure: Failure | None = None


class MemberFailed(ProgramError):
    """A member without whose answer the team cannot go on gave none."""

    code = "member_failed"

    def __init__(self, member: str, failure: Failure) -> None:
        super().__init__(f"{member} gave no answer: {failure.kind}: {failure.message}")
        self.member = member
        self.failure = failure


def members_of(given: Members) -> dict[str, Member]:
    """The members by name. Raises BadInput for none, too many, or two of one name."""
    if not isinstance(given, Mapping) and len(set(given)) < len(given):
        raise BadInput(
            "A member of the team is named twice.",
            fix='Give names to those who are one agent: {"first": "critic", "second": "critic"}.',
        )
    named: dict[str, Member] = {**given} if isinstance(given, Mapping) else {each: each for each in given}
    if not 1 <= len(named) <= MEMBERS:
        raise BadInput(
            f"A team of {len(named):,} cannot work.", fix=f"Give between 1 and {MEMBERS:,} members."
        )
    return named


async def ask(member: Member, given: object) -> Any:
    """The member's answer to `given`. Raises what it raised; ChildFailed if its run did not succeed."""
    match member:
        case str():
            return await child(member, given)
        case Agent():
            return await member.answer(str(given))
        case _:
            return await member(given)


async def hear(name: str, member: Member, given: object, seconds: float | None = None) -> Heard:
    """The member's answer, or why there is none, journaled under its name: an error of its is no error here."""
    try:
        asked = ask(member, given)
        answer = await (asked if seconds is None else timeout(seconds, asked))
        heard = Heard(name, decode(encode(answer, f"the answer of {name}")))
    except Exception as error:  # noqa: BLE001 - a member may raise anything; whoever leads the team decides
        heard = Heard(name, failure=failure_of(error))
    return await _keep(heard)


async def need(name: str, member: Member, given: object, seconds: float | None = None) -> Any:
    """The member's answer, journaled under its name. Raises MemberFailed if there is none."""
    heard = await hear(name, member, given, seconds)
    if heard.failure is not None:
        raise MemberFailed(name, heard.failure)
    return heard.answer


async def _keep(heard: Heard) -> Heard:
    async def answer() -> Heard:
        return heard

    return await step(answer, effect=Effect.PURE, identity=heard.member, into=Heard)


def heard_of(ended: Sequence[Ended]) -> list[Heard]:
    """What was heard. A hearing itself raises only what breaks the run, and that is not to be counted away."""
    found: list[Heard] = []
    for each in ended:
        if not isinstance(each, Returned):
            raise each.error
        found.append(each.value)
    return found
