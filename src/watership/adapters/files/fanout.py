"""A fan-out between the processes of one machine, by Unix datagrams."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from watership.adapters.files.datagrams import Datagrams
from watership.adapters.memory.fanout import Ears, MemoryEar
from watership.fleet.fanout import GAP, MESSAGE_BYTES

SUFFIX = ".fan"

TOPIC_BYTES = 512
"""Before each message stands its topic, which names a run, or less."""

END = b"\n"
"""Of the topic."""

AGAIN_SECONDS = 0.005
"""After which a socket that had no room is tried again: systems keep as few as ten datagrams for a process."""

WAITING = 1_000
"""Datagrams that wait for room, in all; beyond it the oldest are lost."""


class FilesFanout:
    """A Fanout. Open it in a running loop, and close it."""

    def __init__(self, folder: Path) -> None:
        self._ears = Ears()
        self._datagrams = Datagrams(folder, SUFFIX, MESSAGE_BYTES + TOPIC_BYTES, self._hear)
        self._late: deque[tuple[bytes, str]] = deque(maxlen=WAITING)
        self._timer: asyncio.TimerHandle | None = None

    def publish(self, topic: str, message: bytes = GAP) -> None:
        if len(message) > MESSAGE_BYTES:
            message = GAP
        self._ears.hear(topic, message)
        named = topic.encode()
        if len(named) >= TOPIC_BYTES:  # no run has such a name
            return
        waits = {other for _, other in self._late}
        for other in self._datagrams.others():
            # Behind those that wait, or it would come before them.
            if other in waits or not self._datagrams.send(named + END + message, other):
                self._late.append((named + END + message, other))
        self._again()

    def listen(self, topic: str) -> AbstractAsyncContextManager[MemoryEar]:
        return self._ears.listen(topic)

    def close(self) -> None:
        """Stop listening; what waits is lost. Closing twice is closing once."""
        self._late.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._datagrams.close()

    def _again(self) -> None:
        if self._late and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._send_late)

    def _send_late(self) -> None:
        self._timer = None
        full: set[str] = set()
        for _ in range(len(self._late)):
            message, other = self._late.popleft()
            if other in full or not self._datagrams.send(message, other):
                full.add(other)
                self._late.append((message, other))
        self._again()

    def _hear(self, datagram: bytes) -> None:
        topic, found, message = datagram.partition(END)
        if found:
            self._ears.hear(topic.decode(errors="replace"), message)
