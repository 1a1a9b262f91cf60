"""Asking: a question is put to one audience after the other, each for its time, until somebody answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import msgspec

from watership.agents.people.audience import Audience, Who, audience
from watership.agents.people.question import Approval, Question, Reply, question_print
from watership.durable import Effect, signal, step
from watership.durable.branch import here
from watership.durable.codec import decode, encode
from watership.durable.keys import join
from watership.errors import BadInput, ProgramError

Answer = TypeVar("Answer", bound=Approval | Reply)

LEVELS = 10
"""Audiences that one question may go through; more are a process of their own."""

QUESTION_CHARACTERS = 4_000
"""A person reads it before they decide; what is longer belongs into `details`."""


Words = Annotated[str, msgspec.Meta(min_length=1, max_length=QUESTION_CHARACTERS)]
"""A question of a model's, which is told when it does not fit."""


class Unanswered(ProgramError):
    """Nobody answered in time."""

    code = "unanswered"


class Escalation(msgspec.Struct, frozen=True):
    """Who is asked next, and for how long where that differs from the time before. `requester` as in `approve`."""

    by: Who
    within: timedelta | float | None = None
    requester: bool | None = None


class Level(msgspec.Struct, frozen=True):
    """Whom a question is put to, and for how many seconds; None: until somebody answers."""

    may: Audience
    within: float | None


def levels(
    by: Who, requester: bool | None, within: timedelta | float | None, escalate: Sequence[Who | Escalation]
) -> tuple[Level, ...]:
    """The audiences in their order. Raises BadInput where time would never bring the question to the next."""
    seconds = None if within is None else _seconds(within)
    if escalate and seconds is None:
        raise BadInput("A question without a time is never escalated.", fix="Pass within=.")
    if len(escalate) >= LEVELS or isinstance(escalate, str):
        raise BadInput(
            f"A question is escalated up to {LEVELS - 1} times.",
            fix="Pass escalate=[…], one entry each time.",
        )
    found = [Level(audience(by, requester), seconds)]
    for each in escalate:
        then = each if isinstance(each, Escalation) else Escalation(each)
        seconds = seconds if then.within is None else _seconds(then.within)
        whether = requester if then.requester is None else then.requester
        found.append(Level(audience(then.by, whether), seconds))
    return tuple(found)


async def put(
    name: str,
    question: str,
    details: object,
    asked: Sequence[Level],
    *,
    into: type[Answer],
    schema: dict[str, Any] | None = None,
    again: str = "",
) -> Answer:
    """The answer, from the first audience that gives one. Raises Unanswered after the last one's time."""
    if not 0 < len(question) <= QUESTION_CHARACTERS:
        raise BadInput(
            f"A question has 1 to {QUESTION_CHARACTERS:,} characters.", fix="Put more into details."
        )
    for number, level in enumerate(asked):
        if number:
            await step(_escalated, list(level.may.by), effect=Effect.PURE, name="escalated")
        about = Question(
            question=question, details=details, answer=schema, may=level.may, level=number, again=again
        )
        try:
            return await _wait(name, about, level.within, into)
        except TimeoutError:
            continue
    told = ", then ".join(str(level.may) for level in asked)
    raise Unanswered(f"Nobody answered in time; asked were: {told}.")


async def _escalated(to: Sequence[str]) -> dict[str, object]:
    """For the journal, where people look for what became of a question."""
    return {"to": to}


async def _wait(name: str, about: Question, within: float | None, into: type[Answer]) -> Answer:
    branch = here(name)
    execution = branch.execution
    key = join(branch.path, f"{name}/{branch.counts.get(name, 0)}")
    # As people see it, so that what JSON spells in another way is no other question.
    shown: Question = decode(encode(about, f"what {key!r} asks"), Question)
    answer: Answer = await signal(name, about=about, into=into, within=within)
    if answer.seen and answer.seen != question_print(execution.run_id, key, shown):
        # The program asks something else by now than what this person saw: their word does not cover it.
        await execution.admission.diverge(key, "an answer to another question", repr(about.question))
    return answer


def _seconds(within: timedelta | float) -> float:
    seconds = within.total_seconds() if isinstance(within, timedelta) else float(within)
    if not seconds > 0:
        raise BadInput(f"Nobody can answer within {seconds:g} s.", fix="Pass a time above nought.")
    return seconds
