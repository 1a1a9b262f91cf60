"""A bell inside one process: it remembers what rang, so that a ring between two waits is not lost."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeVar

K = TypeVar("K")

MAX_TOPICS = 10_000
"""Topics, and listeners, whose last ring is remembered; the oldest are forgotten: polling is the truth."""


class MemoryBell:
    """A Bell for tasks of one event loop. A listener is known by the topics it waits for."""

    def __init__(self) -> None:
        self._tick = 0
        self._rung: OrderedDict[str, int] = OrderedDict()
        self._heard: OrderedDict[frozenset[str], int] = OrderedDict()
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
        since = self._heard.get(topics, 0)
        if not self._since(topics, since):
            await self._next_ring(topics, timeout)
        rung = self._since(topics, since)
        _put(self._heard, topics, self._tick)
        return rung

    def _since(self, topics: frozenset[str], tick: int) -> frozenset[str]:
        return frozenset(topic for topic in topics if self._rung.get(topic, 0) > tick)

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


def _put(table: OrderedDict[K, int], key: K, tick: int) -> None:
    table[key] = tick
    table.move_to_end(key)
    if len(table) > MAX_TOPICS:
        table.popitem(last=False)
