"""Scripted models answer from a list of turns: LLM agents offline, the same way each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watership.agents.spoken import REMEMBERED
from watership.errors import WatershipError

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model
    from pydantic_ai.models.function import AgentInfo

Calls = Sequence[tuple[str, Mapping[str, Any]]]
"""Tool calls of one turn, made together: (tool, arguments)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The value of an agent whose output is not text."""

    value: Mapping[str, Any]


Given = str | Calls | Answer
Turn = Given | Callable[["Sequence[ModelMessage]"], Given]
"""What the model says; or a function that decides it by the messages so far (see `results` and `prompt`)."""


class ScriptEnded(WatershipError):
    """The agent took more turns than its script has."""

    code = "script_ended"


@dataclass(frozen=True, eq=False, slots=True)
class Script:
    """A model that says its turns in order. It keeps no state: the turn is told by the messages.

    With `repeat_last` the last turn is said as often as asked. `seconds` is how long each turn takes.
    """

    turns: Sequence[Turn]
    repeat_last: bool = False
    seconds: float = 0.0

    def model(self) -> Model:
        """The script as a model of Pydantic AI."""
        from pydantic_ai.models.function import FunctionModel

        return FunctionModel(self._respond, model_name="scripted")

    async def _respond(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if self.seconds:
            await asyncio.sleep(self.seconds)
        number = sum(message.kind == "response" and not _remembered(message) for message in messages)
        return _response(self._given(number, messages), number, info)

    def _given(self, number: int, messages: Sequence[ModelMessage]) -> Given:
        if number >= len(self.turns) and not (self.repeat_last and self.turns):
            raise ScriptEnded(
                f"The script has {len(self.turns)} turns, and the agent asks for turn {number + 1}."
            )
        turn = self.turns[min(number, len(self.turns) - 1)]
        return turn(messages) if callable(turn) else turn


def scripted(turns: Sequence[Turn], *, repeat_last: bool = False, seconds: float = 0.0) -> Script:
    """A scripted model: `Agent(model=scripted([...]))`, or by name `model="scripted:module:attribute"`."""
    return Script(tuple(turns), repeat_last, seconds)


def prompt(messages: Sequence[ModelMessage]) -> str:
    """What the agent was asked."""
    said = [part.content for m in messages for part in m.parts if part.part_kind == "user-prompt"]
    return "".join(each if isinstance(each, str) else str(each) for each in said[-1:])


def results(messages: Sequence[ModelMessage], tool: str | None = None) -> list[Any]:
    """What the tools (or one tool) returned so far, in order; calls sent back to the model are left out."""
    return [
        part.content
        for message in messages
        for part in message.parts
        if part.part_kind == "tool-return" and part.outcome == "success" and tool in (None, part.tool_name)
    ]


def _response(given: Given, number: int, info: AgentInfo) -> ModelResponse:
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

    if isinstance(given, str):
        return ModelResponse(parts=[TextPart(given)])
    if isinstance(given, Answer):
        given = [(info.output_tools[0].name, given.value)]
    # Ids derive from the position, so that a replay and a second run name their calls alike.
    return ModelResponse(
        parts=[
            ToolCallPart(tool, dict(arguments), tool_call_id=f"call-{number + 1}-{index + 1}")
            for index, (tool, arguments) in enumerate(given)
        ]
    )


echo = scripted([prompt])
"""Says what it was asked: `model="echo"`."""


def _remembered(message: ModelMessage) -> bool:
    return REMEMBERED in (message.metadata or {})
