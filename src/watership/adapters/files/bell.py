"""A bell between the processes of one machine: each binds a datagram socket in a folder that all share."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from watership.adapters.memory.bell import MemoryBell
from watership.errors import Unavailable

SUFFIX = ".bell"

PATH_BYTES = 100
"""The path of a Unix socket has room for little more on any system."""

DATAGRAM_BYTES = 8_192
"""One message: what every system takes at once. More topics than fit make more messages."""

BURST = 256
"""Datagrams read in one go, so that a flood of rings does not keep the loop from its work."""

CROSSING_SECONDS = 2.0
"""How long a verification may take: on one machine a datagram takes less than a millisecond."""

_topics = msgspec.json.Decoder(list[str])


class FilesBell:
    """A Bell. Rings wake the listeners of this process, and those of all others that share the folder.

    Open it in a running loop, and close it. Rings may get lost: when a listener is slow its socket is full.
    """

    def __init__(self, folder: Path) -> None:
        self._local = MemoryBell()
        self._folder = _room(folder)
        self._mine = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._loop = asyncio.get_running_loop()
        try:
            self._socket.setblocking(False)
            self._socket.bind(str(self._mine))
            self._loop.add_reader(self._socket, self._hear)
        except BaseException:
            self._socket.close()
            raise

    def ring(self, topics: Iterable[str]) -> None:
        rung = tuple(topics)
        self._local.ring(rung)
        others = [path for path in _sockets(self._folder) if path != str(self._mine)]
        for message in _messages(rung) if others else ():
            for other in others:
                self._send(message, other)

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        return await self._local.wait(topics, timeout)

    async def cross(self, name: str) -> None:
        """Verify that a datagram to our own socket is heard. `name` is used once. Raises Unavailable."""
        topic = f"crossing:{name}"
        self._send(msgspec.json.encode([topic]), str(self._mine))
        if topic not in await self._local.wait(frozenset({topic}), CROSSING_SECONDS):
            raise Unavailable(
                f"The bell does not hear what is sent to {self._mine}.", fix=f"ls -l {self._folder}"
            )

    def close(self) -> None:
        """Stop listening and take the socket out of the folder. Closing twice is closing once."""
        if self._socket.fileno() == -1:
            return
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._mine.unlink(missing_ok=True)

    def _hear(self) -> None:
        for _ in range(BURST):
            try:
                message = self._socket.recv(2 * DATAGRAM_BYTES)
            except OSError:  # nothing more to read; polling makes up for anything worse
                return
            try:
                self._local.ring(_topics.decode(message))
            except msgspec.DecodeError:  # not from one of us
                continue

    def _send(self, message: bytes, other: str) -> None:
        try:
            self._socket.sendto(message, other)
        except ConnectionRefusedError:
            # Nobody has it bound: its process died. Names are never used again, so nobody else's is removed.
            Path(other).unlink(missing_ok=True)
        except OSError:  # full, gone or forbidden: the ring is lost, as it may be
            return


def _room(folder: Path) -> Path:
    """The folder for the sockets: `folder`, or a short one of the same user where its path is too long."""
    longest = folder.resolve() / f"{2**32}-{'f' * 8}{SUFFIX}"
    room = folder.resolve()
    if len(os.fsencode(longest)) > PATH_BYTES:
        digest = hashlib.sha256(os.fsencode(room)).hexdigest()[:16]
        room = Path(tempfile.gettempdir()) / f"watership-{os.getuid()}-{digest}"
    room.mkdir(mode=0o700, parents=True, exist_ok=True)
    return room


def _sockets(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.name.endswith(SUFFIX)]
    except OSError:
        return []


def _messages(topics: tuple[str, ...]) -> list[bytes]:
    """The topics as datagrams that are small enough; a topic that alone is not is left to polling."""
    message = msgspec.json.encode(topics)
    if len(message) <= DATAGRAM_BYTES:
        return [message]
    if len(topics) <= 1:
        return []
    half = len(topics) // 2
    return _messages(topics[:half]) + _messages(topics[half:])
