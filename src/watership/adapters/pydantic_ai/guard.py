"""A guard knows what each of an agent's tools brings: what a model has read by it, and when a person is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import ModelMessage, RetryPromptPart, ToolReturnPart
from pydantic_ai.models import ModelRequestParameters

from watership.agents.people.third import RuleOfTwo
from watership.agents.signature import WrongInput
from watership.agents.tool import Tool
from watership.agents.traits import BOTH, UNDECLARED


@dataclass(frozen=True, slots=True)
class Guard:
    """Of one agent: its tools, by name, and its rule."""

    tools: Mapping[str, Tool]
    rule: RuleOfTwo

    def read(self, messages: Sequence[ModelMessage], offered: ModelRequestParameters) -> frozenset[str]:
        """What a model that is shown these messages reads by tools' results: both, by one unknown here."""
        found: frozenset[str] = frozenset()
        outputs = {tool.name for tool in offered.output_tools}
        for message in messages:
            for part in message.parts:
                match part:
                    case ToolReturnPart(tool_name=name) if name not in outputs:
                        found |= self.tools[name].traits.reads if name in self.tools else BOTH
                    case RetryPromptPart(tool_name=str(name)) if name in self.tools:
                        found |= self.tools[name].traits.reads
                    case _:
                        pass
        return found

    def covers(self, name: str, arguments: Mapping[str, Any], known: frozenset[str]) -> bool:
        """Whether the call needs a person by the Rule of Two. Not where it asks for one by itself, nor where its
        arguments do not fit: it is not made then, and nobody is to be asked about it."""
        tool = self.tools.get(name)
        if tool is None:
            return self.rule.covers(UNDECLARED, known)
        if tool.asks or not self.rule.covers(tool.traits, known):
            return False
        try:
            tool.signature.convert(arguments)
        except WrongInput:
            return False
        return True

    async def objection(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Ask about a call that is covered; empty if it was approved, else what the model is told."""
        return await self.rule.objection(name, arguments)
