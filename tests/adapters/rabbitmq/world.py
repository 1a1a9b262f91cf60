"""What the tests of the broker share: an outbox in memory, and waiting with an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import aiormq
import msgspec
from aiormq.abc import AbstractChannel

from tests.notes import Notes
from watership.adapters.memory.bell import MemoryBell
from watership.adapters.rabbitmq.broker import Broker
from watership.adapters.rabbitmq.relay import Relay
from watership.adapters.rabbitmq.wakeups import RabbitWakeups
from watership.durable.events import Failure
from watership.durable.ids import DeploymentId, RunId, random_ids
from watership.durable.outbox import Letter, Moved, Posted, Wakeup
from watership.durable.states import RunState
from watership.errors import Unavailable

GREEN = DeploymentId("green-1")
POOL = "default"
SECONDS = 20.0
"""Until a test gives up waiting: a busy machine is allowed to be slow."""


class MemoryOutbox:
    """An Outbox that stands in this process: letters by number, each handed out at most once per age."""

    def __init__(self) -> None:
        self.letters: dict[int, tuple[float, Letter]] = {}
        self.away = False
        self.broken = False
        self._numbers = 0

    def put(self, letter: Letter) -> Posted:
        self._numbers += 1
        self.letters[self._numbers] = (time.monotonic(), letter)
        return Posted(number=self._numbers, letter=letter)

    async def overdue(self, seconds: float, limit: int) -> Sequence[Posted]:
        self._answer()
        now = time.monotonic()
        found = [number for number, (at, _) in self.letters.items() if at < now - seconds][:limit]
        for number in found:
            self.letters[number] = (now, self.letters[number][1])
        return [Posted(number=number, letter=self.letters[number][1]) for number in found]

    async def discard(self, numbers: Sequence[int]) -> None:
        self._answer()
        for number in numbers:
            self.letters.pop(number, None)

    async def waiting(self) -> int:
        self._answer()
        return len(self.letters)

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("The store is away.")
        if self.broken:
            raise ValueError("a mistake of ours")


def wakeup(*runs: str, priority: int = 1, deployment: DeploymentId = GREEN) -> Letter:
    ids = tuple(map(RunId, runs))
    return Letter(wakeups=(Wakeup(deployment=deployment, pool=POOL, priority=priority, runs=ids),))


def ended(
    run_id: str = "r",
    state: RunState = RunState.SUCCEEDED,
    *,
    reply_to: str = "",
    failure: Failure | None = None,
) -> Moved:
    return Moved(
        run_id=RunId(run_id),
        program="greeter",
        tenant="acme",
        deployment=GREEN,
        state=state,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        seq=3,
        reply_to=reply_to,
        result=msgspec.Raw(b'"hello"'),
        failure=failure,
    )


@dataclass
class World:
    """One process's broker, with a relay over an outbox."""

    url: str
    broker: Broker
    relay: Relay
    outbox: MemoryOutbox
    notes: Notes
    bell: MemoryBell

    def post(self, *letters: Letter) -> None:
        for letter in letters:
            self.relay.send(self.outbox.put(letter))

    def wakeups(self, slots: int = 32, *, stale_seconds: float = 10.0) -> RabbitWakeups:
        return RabbitWakeups(
            GREEN,
            POOL,
            slots,
            supervisor=self.broker.consuming,
            bell=self.bell,
            observer=self.notes,
            stale_seconds=stale_seconds,
        )


@asynccontextmanager
async def world(
    url: str, *, watch_seconds: float = 10.0, overdue_seconds: float = 15.0
) -> AsyncIterator[World]:
    notes, outbox = Notes(), MemoryOutbox()
    async with (
        Broker(url, name="test", observer=notes, new_id=random_ids(), watch_seconds=watch_seconds) as broker,
        Relay(outbox, broker, notes, overdue_seconds=overdue_seconds) as relay,
    ):
        await broker.wait(SECONDS)
        yield World(url, broker, relay, outbox, notes, MemoryBell())


async def until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until it holds; a test that waits in vain says for what."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody else."""
    connection = await aiormq.connect(url)
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def depth(channel: AbstractChannel, queue: str) -> int:
    """How many messages wait in a queue."""
    found = await channel.queue_declare(queue, passive=True)
    return found.message_count or 0


async def bodies(channel: AbstractChannel, queue: str) -> list[bytes]:
    """Everything in a queue, taken out of it."""
    found = []
    while (message := await channel.basic_get(queue, no_ack=True)).delivery_tag is not None:
        found.append(message.body)
    return found


def flat(parts: Iterable[Iterable[RunId]]) -> list[RunId]:
    return [run_id for part in parts for run_id in part]
