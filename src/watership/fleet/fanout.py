"""A fan-out tells all processes that something happened; it may lose what it tells, and the store never does."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

MESSAGE_BYTES: Final = 8 * 1024
"""Of one message; what is larger is read from the store."""

EAR_MESSAGES: Final = 100
"""Messages that wait for one listener. A slow one loses the oldest, and is told to read the store."""

GAP: Final = b""
"""The message that says: something may have been missed, or happened without a word. Read the store."""


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
