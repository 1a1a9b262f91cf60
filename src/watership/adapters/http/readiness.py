"""Readiness is asked of an address over a connection of its own, so that accepting is tested too."""

from __future__ import annotations

import asyncio
from enum import Enum

READY_PATH = "/readyz"

ANSWER_SECONDS = 1.0
"""A healthy instance answers within milliseconds; on a busy machine within tenths of a second."""

STATUS_BYTES = 4096
"""Bytes read of an answer: the status line stands at its beginning."""


class Readiness(Enum):
    """READY: 2xx. REFUSED: another status, or no connection. SILENT: no answer in time, which may be load."""

    READY = "ready"
    REFUSED = "refused"
    SILENT = "silent"


async def readiness(address: str, *, path: str = READY_PATH, seconds: float = ANSWER_SECONDS) -> Readiness:
    """Ask host:port whether it is ready."""
    try:
        async with asyncio.timeout(seconds):
            line = await _status_line(address, path)
    except TimeoutError:
        return Readiness.SILENT
    except (OSError, ValueError):
        return Readiness.REFUSED
    parts = line.split(b" ", 2)
    ready = len(parts) > 1 and parts[0].startswith(b"HTTP/1.") and parts[1].startswith(b"2")
    return Readiness.READY if ready else Readiness.REFUSED


async def _status_line(address: str, path: str) -> bytes:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), limit=STATUS_BYTES)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        return await reader.readline()
    finally:
        # The rest of the answer is of no interest, and waiting for the other side to close would cost time.
        writer.transport.abort()
