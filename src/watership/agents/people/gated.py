"""A gated tool is entered only once a person approved this very call, and saw its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from watership.agents.people.approval import ApprovalRule, Needs, rule_of
from watership.agents.people.question import Approval
from watership.agents.tool import Tool
from watership.durable import StepOptions, step
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
        answer = await asked.ask(f"May {tool.name} be called?", {"tool": tool.name, "arguments": arguments})
        if not answer.granted:
            return _refusal(tool, answer)
        if tool.options is None:
            return await tool.call(**arguments)
        return await _enter(tool, tool.options, arguments, plain, cost)

    return replace(tool, call=call, options=None, approval=None)


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


def _refusal(tool: Tool, answer: Approval) -> str:
    """What the model is told; it was not called."""
    by = f" by {answer.by}" if answer.by else ""
    note = f": {answer.note}" if answer.note else ""
    return f"The call of {tool.name} was not approved{by}{note}. It was not made."
