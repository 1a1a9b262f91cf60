"""The front door over AMQP: messages of other clients, some of them malformed, through whatever befalls the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Final

import aio_pika
import msgspec
from aio_pika.abc import AbstractChannel, AbstractConnection

from tests.journeys.engine.history import Accepted, Finding
from watership.durable.run import Run

EXCHANGE: Final = "watership.inbox"
DEAD: Final = "watership.v1.dead"
AGENT: Final = "plain"

FIRST: Final = 10_000_000
"""The numbers of messages from here on are ours alone: no run over HTTP has one, so that each run tells its message."""

ANSWER_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 0.3
LOOK_SECONDS: Final = 20.0

MALFORMED: Final = (b"{", b"\xff\xfe", b'{"number": "seven"}', b'{"other": 1}', b"[]", b"")


@dataclass(slots=True)
class FrontDoor:
    """Publishes until it is stopped. `sent`: message-id → number; `malformed`: message-ids that must end as dead."""

    url: str
    random: Random
    rate: float
    sent: dict[str, int] = field(default_factory=dict)
    malformed: set[str] = field(default_factory=set)
    unclear: int = 0
    stopping: bool = False
    _connection: AbstractConnection | None = None
    _channel: AbstractChannel | None = None

    async def send_all(self) -> None:
        """One message after the other, each until the broker has confirmed it; one in ten malformed."""
        name = f"{self.random.getrandbits(32):08x}"
        for number in count(FIRST):
            if self.stopping:
                break
            key = f"amqp-{name}-{number}"
            if self.random.random() < 0.1:
                await self._until_confirmed(key, self.random.choice(MALFORMED))
                self.malformed.add(key)
            else:
                await self._until_confirmed(key, msgspec.json.encode({"number": number}))
                self.sent[key] = number
            await asyncio.sleep(self.random.expovariate(self.rate))
        await self._close()

    async def _until_confirmed(self, key: str, body: bytes) -> None:
        message = aio_pika.Message(
            body,
            message_id=key,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    channel = await self._opened()
                    exchange = await channel.get_exchange(EXCHANGE, ensure=False)
                    await exchange.publish(message, routing_key=AGENT, mandatory=True)
                    return
            except (aio_pika.exceptions.AMQPError, ConnectionError, OSError, TimeoutError, RuntimeError):
                # Confirmed or not, nobody knows: the same message again, under its id.
                self.unclear += 1
                await self._close()
                await asyncio.sleep(AGAIN_SECONDS)

    async def _opened(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            self._connection = await aio_pika.connect(self.url)
            self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        return self._channel

    async def _close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.close()
            except (aio_pika.exceptions.AMQPError, ConnectionError, OSError, TimeoutError, RuntimeError):
                return  # it is gone as well

    async def dead(self) -> set[str]:
        """The message-ids of the dead letters; they stay where they are."""
        found: set[str] = set()
        async with asyncio.timeout(LOOK_SECONDS), await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue(DEAD, ensure=False)
            while (
                letter := await queue.get(fail=False)
            ) is not None:  # unacknowledged: they return with the end
                found.add(letter.message_id or "(without id)")
        return found


def matched(sent: Mapping[str, int], runs: Iterable[Run]) -> Iterator[Accepted]:
    """What was confirmed by the broker, each with the run (or the runs, or none) that its number tells."""
    by_number: dict[int, list[str]] = {}
    for run in runs:
        if run.program == AGENT and (number := msgspec.json.decode(run.input)["number"]) >= FIRST:
            by_number.setdefault(number, []).append(run.id)
    for key, number in sent.items():
        for run_id in by_number.get(number, [f"(no run of {key})"]):
            yield Accepted(key=key, run=run_id, agent=AGENT, input={"number": number})


def misplaced(malformed: set[str], dead: set[str]) -> Iterator[Finding]:
    """The dead letters are exactly what was malformed."""
    for key in sorted(malformed - dead):
        yield Finding("lost", "", f"malformed message {key} is not among the dead letters")
    for key in sorted(dead - malformed):
        yield Finding("left over", "", f"message {key} is among the dead letters and was not malformed")
