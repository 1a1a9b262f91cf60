"""An approval is a person's yes or no, waited for without holding anything."""

from __future__ import annotations

from typing import Any

import msgspec

from watership.agents.tool import Tool, tool_from
from watership.durable import signal

APPROVAL = "approval"
"""The signal that carries the answer: `{"granted": true, "by": "...", "note": "..."}`."""


class Approval(msgspec.Struct, frozen=True):
    """What a person decided, who it was, and why."""

    granted: bool
    by: str
    note: str = ""


class Question(msgspec.Struct, frozen=True):
    """What a person is asked; `details` is whatever helps to decide."""

    question: str
    details: Any = None


async def approve(question: str, details: object = None) -> Approval:
    """Ask, park, and return the answer. Look at `granted`: a refusal is an answer, not an error."""
    answer: Approval = await signal(
        APPROVAL, about=Question(question=question, details=details), into=Approval
    )
    return answer


def approval_tool(name: str = "ask_approval") -> Tool:
    """`approve` as a tool for models: the run parks until a person answered."""

    async def ask(question: str, details: str = "") -> Approval:
        """Ask a person for approval, and wait for the answer. Do not act if it is not granted."""
        return await approve(question, details or None)

    return tool_from(ask, None, name)
