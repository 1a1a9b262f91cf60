"""A free port is one of the loopback interface that nobody listens on and nobody was given before."""

from __future__ import annotations

import random
import socket

from watership.errors import Unavailable

LOOPBACK = "127.0.0.1"
# Below what Linux (32768) and macOS (49152) give to outgoing connections: no client can take the port of a server
# that is down for a moment. Above the ports that well-known servers have by default.
FIRST_PORT = 20_000
LAST_PORT = 32_000
ATTEMPTS = 200  # even on a machine with half of the range in use, all of them fail once in 2**200 times
CONNECT_SECONDS = 1.0  # over loopback a connection is accepted at once, or not at all

# By the system's randomness: processes that fork, or seed the same, must not walk the same ports.
_random = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """Choose a port that is free now; the same one is never given twice to one process."""
    for _ in range(ATTEMPTS):
        port = _random.randint(FIRST_PORT, LAST_PORT)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise Unavailable(
        f"None of {ATTEMPTS} ports between {FIRST_PORT} and {LAST_PORT} is free.",
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


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free for them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
