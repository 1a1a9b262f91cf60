"""Consulting: tools with which a model asks people, for a yes or no or in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from watership.agents.people.approval import approve
from watership.agents.people.ask import ask
from watership.agents.people.audience import Who
from watership.agents.people.escalation import Escalation, Words
from watership.agents.people.question import Approval
from watership.agents.tool import Tool, tool_from
from watership.agents.traits import HARMLESS

NOBODY = "Nobody answered in time."


def approval_tool(
    name: str = "ask_approval",
    *,
    by: Who = (),
    requester: bool | None = None,
    within: timedelta | float | None = None,
    escalate: Sequence[Who | Escalation] = (),
) -> Tool:
    """`approve` as a tool for models: the run parks until a person answered."""

    async def ask_approval(question: Words, details: str = "") -> Approval:
        """Ask a person for approval, and wait for the answer. Do not act if it is not granted."""
        return await approve(
            question, details or None, by=by, requester=requester, within=within, escalate=escalate
        )

    return tool_from(ask_approval, None, name, HARMLESS)


def question_tool(
    name: str = "ask_question",
    *,
    by: Who = (),
    requester: bool | None = None,
    within: timedelta | float | None = None,
    escalate: Sequence[Who | Escalation] = (),
) -> Tool:
    """`ask` as a tool for models: the run parks until a person answered in words, or nobody did in time."""

    async def ask_question(question: Words, details: str = "") -> str:
        """Ask a person a question, and wait for the answer."""
        answer: str = await ask(
            question,
            details or None,
            by=by,
            requester=requester,
            within=within,
            escalate=escalate,
            otherwise=NOBODY,
        )
        return answer

    return tool_from(ask_question, None, name, HARMLESS)
