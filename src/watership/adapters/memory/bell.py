"""A bell inside one process: it remembers what rang, so that a ring between two waits is not lost."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterable
from weakref import WeakKeyDictionary

MAX_TOPICS = 10_000
"""Topics whose last ring is remembered; the oldest are forgotten, for polling is the truth."""


class MemoryBell:
    """A Bell for tasks of one event loop.

    A listener is the task that waits: it hears what rang since its own last wait. A task that waits for the first
    time hears, of each topic, what rang since anybody last listened to it.
    """

    def __init__(self) -> None:
        self._tick = 0
        self._rung: OrderedDict[str, int] = OrderedDict()
        self._heard: OrderedDict[str, int] = OrderedDict()
        self._listened: WeakKeyDictionary[asyncio.Task[object], int] = WeakKeyDictionary()
        self._waiting: dict[asyncio.Future[None], frozenset[str]] = {}

    def ring(self, topics: Iterable[str]) -> None:
        self._tick += 1
        rung = frozenset(topics)
        for topic in rung:
            _put(self._rung, topic, self._tick)
        for future, wanted in self._waiting.items():
            if not future.done() and not wanted.isdisjoint(rung):
                future.set_result(None)

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        task = asyncio.current_task()
        assert task is not None
        since = self._since(task, topics)
        if not self._rung_since(since):
            await self._next_ring(topics, timeout)
        self._listened[task] = self._tick
        for topic in topics:
            _put(self._heard, topic, self._tick)
        return self._rung_since(since)

    def _since(self, task: asyncio.Task[object], topics: frozenset[str]) -> dict[str, int]:
        """For each topic, the tick up to which the listener has heard it."""
        own = self._listened.get(task)
        return {topic: self._heard.get(topic, 0) if own is None else own for topic in topics}

    def _rung_since(self, since: dict[str, int]) -> frozenset[str]:
        return frozenset(topic for topic, tick in since.items() if self._rung.get(topic, 0) > tick)

    async def _next_ring(self, topics: frozenset[str], timeout: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = topics
        try:
            async with asyncio.timeout(None if math.isinf(timeout) else timeout):
                await future
        except TimeoutError:
            return
        finally:
            del self._waiting[future]


def _put(table: OrderedDict[str, int], topic: str, tick: int) -> None:
    table[topic] = tick
    table.move_to_end(topic)
    if len(table) > MAX_TOPICS:
        table.popitem(last=False)
