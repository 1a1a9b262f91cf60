"""A fan-out tells all processes that something happened; it may lose what it tells, and the store never does."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from watership.durable.ids import RunId
from watership.durable.ports import Bell, run_topic

MESSAGE_BYTES: Final = 8 * 1024
"""Of one message; what is larger is read from the store."""

EAR_MESSAGES: Final = 100
"""Messages that wait for one listener. A slow one loses the oldest, and is told to read the store."""

GAP: Final = b""
"""The message that says: something may have been missed, or happened without a word. Read the store."""

_RUNS: Final = run_topic(RunId(""))


class Ear(Protocol):
    """One listener's end."""

    async def next(self, timeout: float) -> bytes | None:
        """The next message, or GAP; None after `timeout` seconds without one."""


class Fanout(Protocol):
    """Messages of one moment. Whoever listens begins with the store, and reads it again at every GAP."""

    def publish(self, topic: str, message: bytes = GAP) -> None:
        """Tell whoever listens, in every process. Never blocks or raises; one above MESSAGE_BYTES becomes GAP."""

    def listen(self, topic: str) -> AbstractAsyncContextManager[Ear]:
        """Hear what is published under `topic` inside the block."""


class FanoutBell:
    """A bell whose rings about runs reach other machines too. For processes that write; streams listen themselves."""

    def __init__(self, bell: Bell, fanout: Fanout) -> None:
        self._bell = bell
        self._fanout = fanout

    def ring(self, topics: Iterable[str]) -> None:
        rung = tuple(topics)
        self._bell.ring(rung)
        for topic in rung:
            if topic.startswith(_RUNS):
                self._fanout.publish(topic)

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        return await self._bell.wait(topics, timeout)
