"""A clock for real sockets: time leaps to whoever sleeps next, but only while nobody is at work."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from watership.releases.notices.deliverer import Channel
from watership.releases.notices.notice import Message

TURNS = 20
"""Of the loop, after which all who were woken have gone as far as they can without time or sockets."""


class LeapingClock:
    def __init__(self, start: datetime) -> None:
        self._start = start
        self._seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0
        self._at_work = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._seconds + seconds, self._count, woken))
        await woken

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    async def forward(self, seconds: float) -> None:
        """Let so many seconds pass, with everything that happens in them."""
        end = self._seconds + seconds
        await self._settled()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self._seconds = max(self._seconds, at)
            if not woken.done():
                woken.set_result(None)
            await self._settled()
        self._seconds = end

    async def _settled(self) -> None:
        quiet = 0
        while quiet < TURNS:
            await asyncio.sleep(0.001 if self._at_work else 0)
            quiet = 0 if self._at_work else quiet + 1


class Held:
    """A channel that holds time while it sends."""

    def __init__(self, channel: Channel, clock: LeapingClock) -> None:
        self._channel = channel
        self._clock = clock

    @property
    def timeout(self) -> float:
        return self._channel.timeout

    async def send(self, message: Message) -> str:
        with self._clock.at_work():
            return await self._channel.send(message)
