"""A glimpse is what the instances and the host themselves show at a moment: what the router cannot count."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.environment import Environment
from watership.releases.judging.fuse import Drift, ErrorRate, Event, Fuse, Level, Lost

HOLDS_SECONDS: Final = 5.0
"""A glimpse stands for the seconds until the next look. A window of 30 s then holds six looks of its own."""

ANSWER_SECONDS: Final = 3.0
"""More than an instance waits for a component that hangs (2 s), less than the switches leave (15 s)."""

SOURCES: Final = frozenset({"requests", "latency_p95", "database", "rabbitmq", "disk"})
"""What anybody measures here: the router counts, the instances answer, the disk is looked at."""

UNASKED: Final = "not configured"
"""What an instance says of a component that it does not have."""


class Reached(Struct, frozen=True, kw_only=True):
    """Whether a slot reaches what it depends on; None is not known."""

    database: bool | None = None
    rabbitmq: bool | None = None


class Glimpse(Struct, frozen=True, kw_only=True):
    """What was seen `at` a moment. `disk` is the used share of this host's."""

    at: datetime
    slots: Mapping[Slot, Reached] = {}
    disk: float | None = None

    def of(self, slot: Slot) -> Reached:
        return self.slots.get(slot, Reached())

    def covers(self, second: int) -> bool:
        """Whether it may stand for that second."""
        return abs(second - self.at.timestamp()) <= HOLDS_SECONDS


class Told(Struct, frozen=True):
    """What we read of an answer of /health; what it does not tell stays unknown."""

    database: str | None = None
    rabbitmq: str | None = None


def blind(fuses: Sequence[Fuse]) -> tuple[str, ...]:
    """The fuses that can never blow here, because nobody measures what they watch."""
    return tuple(each.name for each in fuses if _watched(each) not in SOURCES)


def _watched(fuse: Fuse) -> str:
    match fuse:
        case ErrorRate():
            return "requests"
        case Level() | Drift() | Lost() | Event():
            return fuse.of


async def look(env: Environment) -> Glimpse:
    """Ask every instance that the router sends to, all at once. It never raises: no answer is not known."""
    at = env.clock.now()
    try:
        targets = (await env.router.read()).targets
    except Unavailable:
        targets = {}
    try:
        disk = await env.used_disk()
    except Unavailable:
        disk = None
    reached = await asyncio.gather(*(_reached(env, addresses) for addresses in targets.values()))
    return Glimpse(at=at, slots=dict(zip(targets, reached, strict=True)), disk=disk)


async def _reached(env: Environment, addresses: Sequence[str]) -> Reached:
    told = await asyncio.gather(*(_told(env, address) for address in addresses))
    return Reached(
        database=_any_ok([each.database for each in told]), rabbitmq=_any_ok([each.rabbitmq for each in told])
    )


async def _told(env: Environment, address: str) -> Told:
    try:
        answer = await env.probe.request("GET", f"http://{address}/health", timeout=ANSWER_SECONDS)
        return msgspec.json.decode(answer.body, type=Told)
    except (Unavailable, msgspec.DecodeError):
        # An instance that does not answer is the router's business; of what is behind it we know nothing.
        return Told()


def _any_ok(answers: Sequence[str | None]) -> bool | None:
    """One instance that reaches it is enough; lost is only what each that answered calls lost."""
    known = [answer == "ok" for answer in answers if answer is not None and answer != UNASKED]
    return any(known) if known else None
