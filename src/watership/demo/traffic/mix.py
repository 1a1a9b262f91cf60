"""The mix of messages: what the traffic asks the agents, decided by the message's number and a seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec

WORDS = ("rollback", "gate", "Live", "Router", "schema", "approval", "The", "digest", "Smoke", "plan")
SUBJECTS = ("drain", "p95 latency", "the budget", "migration", "backup", "watch", "the smoke tests")
KINDS = ("numbers", "percentages")
CHAPTERS = ("Purpose", "People", "Migration", "Cutover", "Rollback", "Watch")

PAUSES = (1.0, 8.0)
"""Seconds of a digest's timer: some runs are over at once, some outlive a cutover."""

LATE = (6.0, 14.0)
"""Seconds after which the person answers an approval."""

REFUSED = 0.1
"""The share of findings that the person sends back."""

SHARES = {"find": 14, "count": 8, "cross_check": 8, "register": 10, "digest": 30, "review": 30}
"""Of a hundred messages: some are over in moments, most have something to wait for."""


class Message(msgspec.Struct, frozen=True):
    """What an agent is asked. `late`: after so many seconds the person answers; `granted`: what they say."""

    agent: str
    input: dict[str, Any]
    late: float | None = None
    granted: bool = True


def messages(seed: int, haste: float = 1.0) -> Iterator[Message]:
    """Messages without end, the same ones for the same seed. `haste` scales every delay."""
    source = Random(seed)
    names, shares = zip(*SHARES.items(), strict=True)
    while True:
        yield _message(source.choices(names, shares)[0], source, haste)


def _message(agent: str, source: Random, haste: float) -> Message:
    match agent:
        case "find" | "register":
            return Message(agent, {"word": source.choice(WORDS)})
        case "count":
            return Message(agent, {"kind": source.choice(KINDS)})
        case "cross_check":
            return Message(agent, {"subject": source.choice(SUBJECTS)})
        case "digest":
            pause = round(haste * source.uniform(*PAUSES), 2)
            return Message(agent, {"chapter": source.choice(CHAPTERS), "pause": pause})
        case _:
            prompt = f"review {source.choice(WORDS)}"
            return Message(
                agent,
                {"prompt": prompt},
                late=round(haste * source.uniform(*LATE), 2),
                granted=source.random() >= REFUSED,
            )
