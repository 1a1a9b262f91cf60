"""What was said before, as a model is shown it: lines of people and lines of the agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from watership.agents.memory import Memory, PastMessage
from watership.durable import signal
from watership.durable.branch import here
from watership.durable.scrubbing import scrub
from watership.durable.writes import INJECTED

REMEMBERED = "watership_remembered"
"""Marks, for a model of tests, what was said before its run began: a memory is no turn of a script."""

BEFORE = "What was said before, in short:\n"


@dataclass(frozen=True, slots=True)
class Line:
    """`who` said it."""

    who: Literal["person", "agent"]
    text: str


def lines_of(memory: Memory) -> tuple[Line, ...]:
    """The memory in the order in which it was said."""
    summary = [Line("person", f"{BEFORE}{memory.summary}")] if memory.summary else []
    return (*summary, *(line for message in memory.messages for line in _lines(message)))


def told(memory: Memory) -> str:
    """The memory as one text, for who is to summarize it."""
    return "\n\n".join(f"{line.who}: {line.text}" for line in lines_of(memory))


def text_of(raw: msgspec.Raw | bytes) -> str:
    """What was said, of an input or a result: a text is itself, a prompt too; anything else is its JSON."""
    match msgspec.json.decode(raw):
        case str(text) | {"prompt": str(text)}:
            return text
        case _:
            return bytes(raw).decode()


async def heard(place: str) -> Sequence[str]:
    """Messages that were handed to this run meanwhile, asked for at this place; the same ones on a replay."""
    said: list[str] = []
    here("messages").execution.nudge()  # look into the inbox now: a bell may be late, or lost
    while True:
        try:
            value = await signal(INJECTED, key=f"{place}/heard/{len(said)}", within=0, into=msgspec.Raw)
        except TimeoutError:
            return said
        said.append(scrub(text_of(value)))


def _lines(message: PastMessage) -> Iterator[Line]:
    for each in (message.input, *message.injected):
        yield Line("person", text_of(each))
    if not message.failure:
        yield Line("agent", text_of(message.result))
