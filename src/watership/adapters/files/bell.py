"""A bell between the processes of one machine, by Unix datagrams."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from watership.adapters.files.datagrams import Datagrams
from watership.adapters.memory.bell import MemoryBell
from watership.errors import Unavailable

SUFFIX = ".bell"

DATAGRAM_BYTES = 8_192
"""One message: what every system takes at once. More topics than fit make more messages."""

CROSSING_SECONDS = 2.0
"""How long a verification may take: on one machine a datagram takes less than a millisecond."""

_topics = msgspec.json.Decoder(list[str])


class FilesBell:
    """A Bell. Rings wake the listeners of this process, and those of all others that share the folder.

    Open it in a running loop, and close it. Rings may get lost: when a listener is slow its socket is full.
    """

    def __init__(self, folder: Path) -> None:
        self._local = MemoryBell()
        self._datagrams = Datagrams(folder, SUFFIX, DATAGRAM_BYTES, self._hear)

    def ring(self, topics: Iterable[str]) -> None:
        rung = tuple(topics)
        self._local.ring(rung)
        others = self._datagrams.others()
        for message in _messages(rung) if others else ():
            for other in others:
                # One that has no room is left to polling.
                self._datagrams.send(message, other)

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        return await self._local.wait(topics, timeout)

    async def cross(self, name: str) -> None:
        """Verify that a datagram to our own socket is heard. `name` is used once. Raises Unavailable."""
        topic = f"crossing:{name}"
        self._datagrams.send(msgspec.json.encode([topic]), self._datagrams.mine)
        if topic not in await self._local.wait(frozenset({topic}), CROSSING_SECONDS):
            raise Unavailable(
                f"The bell does not hear what is sent to {self._datagrams.mine}.",
                fix=f"ls -l {self._datagrams.folder}",
            )

    def close(self) -> None:
        """Stop listening and take the socket out of the folder. Closing twice is closing once."""
        self._datagrams.close()

    def _hear(self, message: bytes) -> None:
        try:
            self._local.ring(_topics.decode(message))
        except msgspec.DecodeError:  # not from one of us
            return


def _messages(topics: tuple[str, ...]) -> list[bytes]:
    """The topics as datagrams that are small enough; a topic that alone is not is left to polling."""
    message = msgspec.json.encode(topics)
    if len(message) <= DATAGRAM_BYTES:
        return [message]
    if len(topics) <= 1:
        return []
    half = len(topics) // 2
    return _messages(topics[:half]) + _messages(topics[half:])
