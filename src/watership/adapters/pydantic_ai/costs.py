"""What a model call costs: at most, by the request that is about to be made; and in the end, by its answer's usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from functools import partial
from typing import Any

import genai_prices
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_core import to_json

from watership.adapters.pydantic_ai.speaking import HalfAnAnswer
from watership.agents.budget import MICRO, MONEY, TOKENS, TURNS
from watership.agents.price import Price
from watership.agents.throttle import Throttled
from watership.durable.counters import Amounts, Cap, Cost
from watership.errors import BadInput

OVERHEAD = 64
"""Tokens that a provider's own framing of a message, or of a tool, may take: a few, seen to be below twenty."""

FREE = frozenset({"function", "test"})
"""Models that are no provider's: scripts and echoes."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What one agent's model calls cost. Without a price of its own the library's table tells, and what that does not
    know is not priced: a cap in dollars then refuses the agent."""

    model: str
    provider: str
    output_tokens: int
    price: Price | None = None

    def cost(
        self, messages: Sequence[ModelMessage], offered: ModelRequestParameters, caps: tuple[Cap, ...]
    ) -> Cost:
        """Of one request, under `caps` beside the run's own."""
        size = tokens_at_most(messages, offered)
        most: Amounts = {TURNS: 1, TOKENS: size + self.output_tokens} | self._money(
            {"input_tokens": size, "output_tokens": self.output_tokens, "cache_write_tokens": size}
        )
        return Cost(most, partial(self._told, most), unbilled, caps)

    def _told(self, most: Amounts, answer: Any) -> Amounts:
        """As `used`; all of `most` where the answer has no usage, as streams of some providers do."""
        usage: Mapping[str, int] = answer["usage"]
        silent = not usage["input_tokens"] and not usage["output_tokens"] and self.provider not in FREE
        return most if silent else self.used(answer)

    def used(self, answer: Any) -> Amounts:
        """By the usage in an encoded answer."""
        usage: Mapping[str, int] = answer["usage"]
        tokens: int = usage["input_tokens"] + usage["output_tokens"]
        return {TURNS: 1, TOKENS: tokens} | self._money(usage)

    def check(self, caps: Sequence[Cap]) -> None:
        """Raise BadInput if one of them is in dollars and the price is not known: it could not be kept."""
        if any(cap.unit == MONEY for cap in caps) and not self._money(
            {"input_tokens": 1, "output_tokens": 1}
        ):
            raise BadInput(
                f"The price of model {self.model} is not known, so a budget in dollars cannot be kept.",
                fix="Give the agent price=Price(input=…, output=…), in dollars for a million tokens.",
            )

    def _money(self, usage: Mapping[str, int]) -> dict[str, int]:
        if self.price is not None:
            amount = self.price.of(
                input=usage["input_tokens"],
                output=usage["output_tokens"],
                cached=usage.get("cache_read_tokens", 0),
            )
            return {MONEY: amount}
        if self.provider in FREE:
            return {MONEY: 0}
        try:
            listed = genai_prices.calc_price(
                genai_prices.Usage(
                    input_tokens=usage["input_tokens"],
                    output_tokens=usage["output_tokens"],
                    cache_read_tokens=usage.get("cache_read_tokens", 0),
                    cache_write_tokens=usage.get("cache_write_tokens", 0),
                ),
                model_ref=self.model,
                provider_id=self.provider,
            )
        except LookupError:
            return {}
        return {MONEY: int((Decimal(listed.total_price) * MICRO).to_integral_value(rounding=ROUND_UP))}


def tariff(model: Model, *, output_tokens: int, price: Price | None) -> Tariff:
    return Tariff(model.model_name, model.system, output_tokens, price)


def unbilled(error: Exception) -> Amounts | None:
    """What a request that failed cost: nothing where it was not made, or the provider answered that it failed; else
    nobody knows."""
    if isinstance(error, Throttled):
        return {}
    if isinstance(error, HalfAnAnswer):
        return None
    cause = error if isinstance(error, ModelHTTPError) else error.__cause__
    return {TURNS: 1} if isinstance(cause, ModelHTTPError) else None


def tokens_at_most(messages: Sequence[ModelMessage], offered: ModelRequestParameters) -> int:
    """A bound on the tokens of a request: no tokenizer makes more tokens of a text than it has bytes."""
    size = 0
    for message in messages:
        for part in message.parts:
            size += OVERHEAD + _bytes(getattr(part, "content", "")) + _bytes(getattr(part, "args", ""))
    for said in offered.instruction_parts or ():
        size += OVERHEAD + _bytes(said.content)
    for tool in (*offered.function_tools, *offered.output_tools):
        size += OVERHEAD + _bytes(tool.description or "") + _bytes(tool.parameters_json_schema)
    return size


def _bytes(content: object) -> int:
    return len(content.encode()) if isinstance(content, str) else len(to_json(content))
