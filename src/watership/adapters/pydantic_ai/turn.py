"""A model call's turn: it waits for the room that its model's quota leaves, and hears when a provider has enough."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters

from watership.adapters.pydantic_ai.costs import Tariff, tokens_at_most
from watership.agents.budget import TOKENS
from watership.agents.throttle import throttle

BYTES_PER_TOKEN: Final = 4
"""Of a prompt, about. The answer's usage corrects what was counted; budgets reserve by the byte."""

TOO_MANY: Final = 429


async def in_turn(
    ask: Callable[[], Awaitable[object]],
    tariff: Tariff,
    messages: Sequence[ModelMessage],
    offered: ModelRequestParameters,
) -> object:
    """What `ask` gives, once it is its turn. Raises Throttled when that does not come in time."""
    gate = throttle()
    if gate is None:
        return await ask()
    model = f"{tariff.provider}:{tariff.model}"
    tokens = tokens_at_most(messages, offered) // BYTES_PER_TOKEN + tariff.output_tokens
    async with gate.passing(model, tokens) as passage:
        try:
            answer = await ask()
        except ModelHTTPError as error:
            if error.status_code == TOO_MANY:
                await gate.busy(model, error.retry_after)
            raise
        passage.used = tariff.used(answer)[TOKENS]
        return answer
