"""A gated tool is entered only once a person approved this very call, and saw its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from watership.agents.people.approval import ApprovalRule, Needs, rule_of
from watership.agents.people.third import details_of, question_about, refusal
from watership.agents.tool import Tool
from watership.durable import StepOptions, step
from watership.durable.branch import here
from watership.durable.counters import Cost
from watership.errors import BadInput

Plain = Callable[[Any], object]
"""Turns a tool's result into data that the journal holds."""

CostOfCall = Callable[[], Cost | None]
"""What a call of a tool costs here, where calls are counted."""


def gated(
    tools: Sequence[Tool], approvals: Mapping[str, Needs], plain: Plain, cost: CostOfCall
) -> tuple[Tool, ...]:
    """The tools, those that need an approval behind it: as `approvals` says by name, or else as they say themselves."""
    unknown = approvals.keys() - {tool.name for tool in tools}
    if unknown:
        raise BadInput(
            f"There is an approval for {min(unknown)!r}, and no tool of that name.",
            fix=f"Tools: {', '.join(tool.name for tool in tools) or 'none'}.",
        )
    return tuple(_behind(tool, _rule(tool, approvals), plain, cost) for tool in tools)


def _rule(tool: Tool, approvals: Mapping[str, Needs]) -> ApprovalRule | None:
    return rule_of(approvals[tool.name]) if tool.name in approvals else tool.approval


def _behind(tool: Tool, rule: ApprovalRule | None, plain: Plain, cost: CostOfCall) -> Tool:
    """A program tool that asks, and then enters the tool: in a step of its own, where it is one."""
    if rule is None:
        return tool
    asked = rule

    async def call(**arguments: Any) -> object:
        third = tool.traits.is_third(here(tool.name).learned)
        answer = await asked.ask(question_about(tool.name), details_of(tool.name, arguments, third=third))
        if not answer.granted:
            return refusal(tool.name, answer.by, answer.note)
        if tool.options is None:
            return await tool.call(**arguments)
        return await _enter(tool, tool.options, arguments, plain, cost)

    return replace(tool, call=call, options=None, approval=None, asks=True)


async def _enter(
    tool: Tool, options: StepOptions, arguments: Mapping[str, Any], plain: Plain, cost: CostOfCall
) -> object:
    async def body(_: Mapping[str, Any]) -> object:
        return plain(await tool.call(**arguments))

    return await step(
        body,
        dict(arguments),
        name=tool.name,
        effect=options.effect,
        retry=options.retry,
        check=options.check,
        cost=cost(),
        into=Any,
    )
