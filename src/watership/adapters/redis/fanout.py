"""A fan-out between machines. What Redis loses is made good by the gap that listeners are told of."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from watership.adapters.memory.fanout import Ears, MemoryEar
from watership.adapters.redis.link import REST_SECONDS, RedisLink
from watership.durable.ports import Observer
from watership.errors import Unavailable
from watership.fleet.fanout import GAP, MESSAGE_BYTES

CHANNEL: Final = "watership:v1:fan:"
"""Followed by the topic. The bare one has no topic: it keeps the subscription open."""

ORIGIN_BYTES: Final = 8
"""Before each message stands who sent it: its own process has heard it already."""

QUEUE: Final = 10_000
"""Messages that wait to be sent; the oldest are dropped, for the store has what they told of."""

BATCH: Final = 500
"""Messages sent in one go."""

SILENCE_SECONDS: Final = 5.0
"""After which Redis is asked for a sign of life; after twice as long without one, the line is made anew."""

LOOK_SECONDS: Final = 1.0
"""How often the clock is looked at: a wait may end a little early, and must not cost a whole silence."""

CONNECT_SECONDS: Final = 1.0


class RedisFanout:
    """A Fanout. Open it, and close it. Within this process messages go their way without Redis."""

    def __init__(self, link: RedisLink, observer: Observer) -> None:
        self._link = link
        self._observer = observer
        self._ears = Ears()
        self._origin = secrets.token_bytes(ORIGIN_BYTES)
        self._out: deque[tuple[str, bytes]] = deque(maxlen=QUEUE)
        self._told = asyncio.Event()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._send(), name="fan-out send"),
            asyncio.create_task(self._hear(), name="fan-out hear"),
        ]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def publish(self, topic: str, message: bytes = GAP) -> None:
        if len(message) > MESSAGE_BYTES:
            message = GAP
        self._ears.hear(topic, message)
        self._out.append((topic, message))
        self._told.set()

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[MemoryEar]:
        ear, first = self._ears.add(topic)
        if first:
            self._changed.set()
        try:
            yield ear
        finally:
            if self._ears.drop(topic, ear):
                self._changed.set()

    async def _send(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            while self._out:
                batch = [self._out.popleft() for _ in range(min(BATCH, len(self._out)))]
                with suppress(Unavailable):  # lost, as it may be: listeners look at the store once a second
                    await self._publish(worth_telling(batch))

    async def _publish(self, batch: list[tuple[str, bytes]]) -> None:
        pipeline = self._link.client.pipeline(transaction=False)
        for topic, message in batch:
            # Put into the pipeline, which is what it returns.
            _ = pipeline.publish(CHANNEL + topic, self._origin + message)
        await self._link.ask(lambda _: pipeline.execute())

    async def _hear(self) -> None:
        """Keep a line open: whatever breaks it, a new one is made, and every listener told of the gap."""
        told = False
        while True:
            began = time.monotonic()
            try:
                async with self._link.client.pubsub() as line:
                    await self._follow(line)
            except (RedisError, OSError, TimeoutError) as error:
                if not told or time.monotonic() - began > SILENCE_SECONDS:  # once, while none can be made
                    self._observer.note("line to redis lost", error=type(error).__name__)
                told = True
            self._ears.hear_all()
            await asyncio.sleep(REST_SECONDS)

    async def _follow(self, line: PubSub) -> None:
        """Pass on what comes, until the line breaks or is silent for too long."""
        subscribed: set[str] = set()
        async with asyncio.timeout(CONNECT_SECONDS):
            await line.subscribe(CHANNEL)
        self._changed.set()
        heard = asked = time.monotonic()
        reading: asyncio.Task[Any] | None = None
        try:
            while time.monotonic() - heard < 2 * SILENCE_SECONDS:
                if self._changed.is_set():
                    self._changed.clear()
                    await self._subscribe(line, subscribed)
                if time.monotonic() - max(heard, asked) >= SILENCE_SECONDS:
                    asked = time.monotonic()
                    await line.ping()
                reading = reading or asyncio.create_task(line.parse_response(block=True))
                await self._either(reading)
                if reading.done():
                    heard = time.monotonic()
                    self._pass_on(reading.result())
                    reading = None
            raise TimeoutError
        finally:
            if reading is not None:
                reading.cancel()
                with suppress(asyncio.CancelledError, RedisError, OSError):
                    await reading

    async def _either(self, reading: asyncio.Task[Any]) -> None:
        """Until something was read, the listeners changed, or it is time to look at the clock again."""
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({reading, changed}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()

    async def _subscribe(self, line: PubSub, subscribed: set[str]) -> None:
        wanted = set(self._ears.topics())
        if new := wanted - subscribed:
            await line.subscribe(*(CHANNEL + topic for topic in new))
        if gone := subscribed - wanted:
            await line.unsubscribe(*(CHANNEL + topic for topic in gone))
        subscribed.clear()
        subscribed.update(wanted)

    def _pass_on(self, read: Any) -> None:
        """A message to its topic's listeners; to those whose subscription has just begun, a gap."""
        match read:
            case [b"message", bytes(channel), bytes(data)] if data[:ORIGIN_BYTES] != self._origin:
                self._ears.hear(_topic(channel), data[ORIGIN_BYTES:])
            case [b"subscribe", bytes(channel), _]:
                # What happened between the listener's beginning and now was not heard here.
                self._ears.hear(_topic(channel), GAP)


def worth_telling(batch: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The batch without a topic's further gaps. Words are never left out: the same one twice is two."""
    kept: list[tuple[str, bytes]] = []
    gaps: set[str] = set()
    for topic, message in batch:
        # The store that is read at the first gap has by then what the others tell of.
        if message == GAP and topic in gaps:
            continue
        if message == GAP:
            gaps.add(topic)
        kept.append((topic, message))
    return kept


def _topic(channel: bytes) -> str:
    return channel.decode(errors="replace").removeprefix(CHANNEL)
