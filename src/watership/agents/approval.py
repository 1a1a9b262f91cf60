"""An approval is a person's yes or no, waited for without holding anything; no answer is never a yes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal, get_args

import msgspec

from watership.agents.asking import QUESTION_CHARACTERS, Escalation, Unanswered, levels, put
from watership.agents.audience import Who
from watership.agents.question import APPROVAL, Approval
from watership.agents.tool import Tool, tool_from
from watership.errors import BadInput

Otherwise = Literal["refused", "raise"]
"""What it is when nobody answered in time: a refusal, or Unanswered is raised."""


Words = Annotated[str, msgspec.Meta(min_length=1, max_length=QUESTION_CHARACTERS)]
"""A question of a model's, which is told when it does not fit."""


async def approve(
    question: str,
    details: object = None,
    *,
    by: Who = (),
    requester: bool | None = None,
    within: timedelta | float | None = None,
    escalate: Sequence[Who | Escalation] = (),
    otherwise: Otherwise = "refused",
) -> Approval:
    """Ask, park, and return the answer. Look at `granted`: a refusal is an answer, not an error.

    `by`: the roles, and the people as "@ada", of which each may give it; who they are is proved when they answer.
    `requester`: whether whoever started the run may, too; unless given, not where `by` names a role.
    `within` (seconds): then the next of `escalate` is asked in their place, each for as long; and after the last one
    it is refused, or raises Unanswered, as `otherwise` says.
    """
    if otherwise not in get_args(Otherwise):
        raise BadInput(
            f"An approval that nobody gives cannot be {otherwise!r}.", fix='Say "refused" or "raise".'
        )
    asked = levels(by, requester, within, escalate)
    try:
        return await put(APPROVAL, question, details, asked, into=Approval)
    except Unanswered as error:
        if otherwise == "raise":
            raise
        return Approval(granted=False, by="", note=error.message)


def approval_tool(name: str = "ask_approval") -> Tool:
    """`approve` as a tool for models: the run parks until a person answered."""

    async def ask(question: Words, details: str = "") -> Approval:
        """Ask a person for approval, and wait for the answer. Do not act if it is not granted."""
        return await approve(question, details or None)

    return tool_from(ask, None, name)
