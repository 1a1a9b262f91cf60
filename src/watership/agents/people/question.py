"""A question is what a run asks a person: the words, what helps to decide, who may answer, and what was seen."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from watership.agents.people.audience import ANYBODY, Audience
from watership.durable.codec import fingerprint
from watership.durable.ids import Key, RunId
from watership.durable.run import Waiting

APPROVAL: Final = "approval"
"""The name of a wait for a yes or no."""

QUESTION: Final = "question"
"""The name of a wait for any other value."""

SAW_BYTES: Final = 64 * 1024
"""Of what was seen, as far as an answer repeats it for the record; of more there is the fingerprint alone."""


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person is asked; `details` is whatever helps to decide. `level`: how often it was escalated.

    `answer` is the JSON schema of the value that is wanted, None for a yes or no. `again` says what was wrong with
    an answer before.
    """

    question: str
    details: Any = None
    answer: dict[str, Any] | None = None
    may: Audience = ANYBODY
    level: int = 0
    again: str = ""


def question_of(waiting: Waiting) -> Question | None:
    """The question that a wait asks; None for a wait that is no approval and no question."""
    if waiting.kind != "signal" or waiting.name not in (APPROVAL, QUESTION):
        return None
    try:
        return msgspec.json.decode(waiting.about, type=Question)
    except msgspec.DecodeError:  # a signal of that name that a program asked for in its own words
        return None


def seen_of(run_id: RunId, waiting: Waiting) -> str:
    """The fingerprint of what is asked at this wait, which an answer to it repeats."""
    question = question_of(waiting)
    if question is None:
        return fingerprint([run_id, waiting.key, msgspec.json.decode(waiting.about)], "what is asked")
    return question_print(run_id, waiting.key, question)


def question_print(run_id: RunId, key: Key, question: Question) -> str:
    """Of the place, the words and the details: not of who may answer, or until when."""
    return fingerprint([run_id, key, question.question, question.details, question.answer], "what is asked")


class Approval(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person decided, who it was, and why. `seen` is the fingerprint of what they saw."""

    granted: bool
    by: str
    note: str = ""
    seen: str = ""
    via: str = ""
    """By what way it came, where that is not the person's own token."""


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that a person answered with, and who it was."""

    value: msgspec.Raw
    by: str
    seen: str = ""
    via: str = ""
