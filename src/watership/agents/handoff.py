"""A hand-off: a model gives the conversation to another agent, whose answer is then the run's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from watership.agents.tool import Tool, tool_from, tool_of
from watership.durable import child
from watership.errors import BadInput, ProgramError


class HandedOver(ProgramError):
    """Ends a model's loop whose conversation another agent has now: it is asked nothing more."""

    code = "handed_over"


@dataclass(slots=True)
class Hand:
    """Of one model's loop: who has the conversation after it, if somebody was given it."""

    to: str = ""
    answer: Callable[[], Awaitable[Any]] | None = None


_hand: ContextVar[Hand | None] = ContextVar("watership_hand", default=None)


@contextmanager
def handing() -> Iterator[Hand]:
    """For the engine: the hand-off of the loop inside of the block is told to what this gives."""
    hand = Hand()
    token = _hand.set(hand)
    try:
        yield hand
    finally:
        _hand.reset(token)


def go_on() -> None:
    """For the engine, before a model is asked. Raises HandedOver if the conversation is another's by now."""
    hand = _hand.get()
    if hand is not None and hand.answer is not None:
        raise HandedOver(f"The conversation was handed over to {hand.to}.")


def handoff_tool(other: object, *, name: str = "", description: str = "") -> Tool:
    """A tool with which a model hands the conversation over to `other`: an agent, or the name of one for a child run.

    The other calls of that turn are made; then `other` is asked, with what the model wrote for it, and its answer is
    the agent's answer. The model is not asked again.
    """
    target = _named(other) if isinstance(other, str) else tool_of(other)
    if not target.is_program:
        raise BadInput(f"{target.name!r} is no agent.", fix="Give an agent, or its name.")

    async def hand_over(**arguments: Any) -> str:
        hand = _hand.get()
        if hand is None:
            raise ProgramError("A hand-off was made outside of an agent's loop.", fix="Call the other agent.")
        if hand.answer is not None:
            return f"The conversation goes to {hand.to} already; {target.name} was not given it."
        hand.to, hand.answer = target.name, lambda: target.call(**arguments)
        return f"The conversation goes to {target.name}."

    about = (
        description
        or f"Hand the conversation over to {target.name}, who gives the answer. {target.description}"
    )
    return Tool(
        name=name or f"hand_over_to_{target.name}",
        description=about.strip(),
        call=hand_over,
        signature=target.signature,
        options=None,
        traits=target.traits,
    )


def _named(agent: str) -> Tool:
    """An agent that the model's own does not know otherwise than by its name: a run of its own."""

    async def ask(prompt: str) -> Any:
        return await child(agent, {"prompt": prompt})

    ask.__doc__ = f"Ask the agent {agent}."
    return tool_from(ask, None, agent)
