"""A question asks a person for a value of a type, and goes on waiting until one fits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from watership.agents.people.audience import Who
from watership.agents.people.escalation import Escalation, Unanswered, levels, put
from watership.agents.people.question import QUESTION, Reply
from watership.errors import BadInput, ProgramError

UNSAID: Final = msgspec.UNSET

TRIES: Final = 5
"""Answers that fitted the schema and not the type, after which nobody is asked any more."""


async def ask(
    question: str,
    details: object = None,
    *,
    into: Any = None,
    choices: Sequence[object] = (),
    by: Who = (),
    requester: bool | None = None,
    within: timedelta | float | None = None,
    escalate: Sequence[Who | Escalation] = (),
    otherwise: Any = UNSAID,
) -> Any:
    """A person's answer, as `into` (text, unless said otherwise), or one of the `choices`.

    One that does not fit is refused to whoever gives it, with the field, and the run goes on waiting. The rest is as
    in `approve`, but that anybody may answer who is not kept out; nobody's answer is `otherwise`, or Unanswered.
    """
    kind = (Any if choices else str) if into is None else into
    schema = _schema(kind, choices)
    asked = levels(by, requester, within, escalate)
    again = ""
    for _ in range(TRIES):
        try:
            reply = await put(QUESTION, question, details, asked, into=Reply, schema=schema, again=again)
        except Unanswered:
            if otherwise is UNSAID:
                raise
            return otherwise
        try:
            return msgspec.json.decode(reply.value, type=kind)
        except msgspec.ValidationError as error:
            again = f"The answer of {reply.by} was not taken: {error}."
    raise Unanswered(f"After {TRIES} answers none was a value that the program takes. {again}")


def _schema(kind: Any, choices: Sequence[object]) -> dict[str, Any]:
    """What is asked for, for people and forms to read. Raises where no JSON could give it."""
    if choices:
        try:
            for each in choices:
                msgspec.convert(msgspec.to_builtins(each), kind)
        except (msgspec.ValidationError, TypeError) as error:
            raise BadInput(f"One of the choices is no answer: {error}.") from error
        return {"enum": list(msgspec.to_builtins(choices))}
    try:
        return msgspec.json.schema(kind)
    except TypeError as reason:
        raise ProgramError(
            f"A person cannot answer with {kind!r}: {reason}.",
            fix="Use plain types, dataclasses or msgspec structs.",
        ) from reason
