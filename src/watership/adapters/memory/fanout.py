"""A fan-out within one process, and the ears that every fan-out has."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from watership.fleet.fanout import EAR_MESSAGES, GAP, MESSAGE_BYTES


class MemoryEar:
    """Messages that wait for one listener. When they are too many, all of them give way to one GAP."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._there = asyncio.Event()

    def hear(self, message: bytes) -> None:
        if len(self._waiting) >= EAR_MESSAGES:
            self._waiting.clear()
            message = GAP
        # Two gaps in a row say no more than one.
        if message != GAP or not self._waiting or self._waiting[-1] != GAP:
            self._waiting.append(message)
        self._there.set()

    async def next(self, timeout: float) -> bytes | None:
        try:
            async with asyncio.timeout(timeout):
                await self._there.wait()
        except TimeoutError:
            return None
        message = self._waiting.popleft()
        if not self._waiting:
            self._there.clear()
        return message


class Ears:
    """All listeners of one process, by topic."""

    def __init__(self) -> None:
        self._by_topic: dict[str, list[MemoryEar]] = {}

    def add(self, topic: str) -> tuple[MemoryEar, bool]:
        """A new listener, and whether it is the topic's first."""
        ear, there = MemoryEar(), self._by_topic.setdefault(topic, [])
        there.append(ear)
        return ear, len(there) == 1

    def drop(self, topic: str, ear: MemoryEar) -> bool:
        """Take a listener away; whether it was the topic's last."""
        there = self._by_topic[topic]
        there.remove(ear)
        if there:
            return False
        del self._by_topic[topic]
        return True

    def topics(self) -> Iterable[str]:
        return tuple(self._by_topic)

    def hear(self, topic: str, message: bytes) -> None:
        for ear in self._by_topic.get(topic, ()):
            ear.hear(message)

    def hear_all(self) -> None:
        """Tell every listener that something may have been missed."""
        for topic in self._by_topic:
            self.hear(topic, GAP)

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[MemoryEar]:
        """An ear that hears the topic for the length of the block."""
        ear, _ = self.add(topic)
        try:
            yield ear
        finally:
            self.drop(topic, ear)


class MemoryFanout:
    """A Fanout for the tasks of one event loop."""

    def __init__(self) -> None:
        self._ears = Ears()

    def publish(self, topic: str, message: bytes = GAP) -> None:
        self._ears.hear(topic, message if len(message) <= MESSAGE_BYTES else GAP)

    def listen(self, topic: str) -> AbstractAsyncContextManager[MemoryEar]:
        return self._ears.listen(topic)
