"""A pipeline passes work from member to member: the answer of one is what the next is given."""

from __future__ import annotations

from typing import Any

from watership.agents.llm import Agent
from watership.agents.teams.member import MEMBERS, Member, need
from watership.errors import BadInput


async def pipeline(given: object, *stages: Member) -> Any:
    """The answer of the last stage, as data. Each answer is journaled; a stage that gives none raises MemberFailed."""
    if not 1 <= len(stages) <= MEMBERS:
        raise BadInput(
            f"A pipeline of {len(stages)} stages does nothing, or too much.",
            fix=f"Give between 1 and {MEMBERS:,} of them.",
        )
    for number, stage in enumerate(stages, 1):
        given = await need(f"stage {number} ({_called(stage)})", stage, given)
    return given


def _called(stage: Member) -> str:
    match stage:
        case str():
            return stage
        case Agent(name=name):
            return name
        case _:
            return str(getattr(stage, "__name__", "a function"))
