"""A free port is one of the loopback interface that nobody listens on and nobody was given before.

Processes share the range by blocks: who holds a block's lock gives its ports, so that two test processes never give
the same one before either has a server on it.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import IO

from watership.errors import Unavailable

LOOPBACK = "127.0.0.1"
# Below what Linux (32768) and macOS (49152) give to outgoing connections: no client can take the port of a server
# that is down for a moment. Above the ports that well-known servers have by default.
FIRST_PORT = 20_000
LAST_PORT = 32_000
BLOCK = 100  # more than a file of tests needs, and 120 of them: more than there are test processes
CONNECT_SECONDS = 1.0  # over loopback a connection is accepted at once, or not at all

# By the system's randomness: processes that fork, or seed the same, must not walk the same ports.
_random = random.SystemRandom()
# Open as long as this process lives: its blocks are its own until then.
_held: list[IO[bytes]] = []


def free_port() -> int:
    """Choose a port that is free now; the same one is never given twice, to this process or to another of ours."""
    with _turn:
        port = next(filter(_is_free, _ports), None)
    if port is not None:
        return port
    raise Unavailable(
        f"No port between {FIRST_PORT} and {LAST_PORT} is free.",
        fix="Stop servers that other tests left running.",
    )


def answer(port: int, question: bytes, size: int) -> bytes:
    """What the server at `port` says first, up to `size` bytes; nothing if it is not there or says nothing."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=CONNECT_SECONDS) as connection:
            connection.sendall(question)
            return connection.recv(size)
    except OSError:  # refused, reset or too late: all say that nobody answers yet
        return b""


def _shuffled() -> Iterator[int]:
    for first in _random.sample(range(FIRST_PORT, LAST_PORT, BLOCK), (LAST_PORT - FIRST_PORT) // BLOCK):
        if _claimed(first):
            yield from _random.sample(range(first, first + BLOCK), BLOCK)


_ports = _shuffled()
_turn = Lock()


def _claimed(first: int) -> bool:
    """Whether the block is ours now."""
    folder = Path(tempfile.gettempdir()) / f"watership-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = (folder / str(first)).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held.append(file)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free for them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
