"""The listener of a rehearsal stands for everybody who would be told: a webhook here that keeps what came."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from types import TracebackType
from typing import Final, Self

import msgspec

LONGEST: Final = 1024 * 1024
"""Bytes of one message."""

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class _Told(msgspec.Struct):
    id: str


class _Payload(msgspec.Struct):
    data: _Told


class Listener:
    """Takes every message; `heard` counts by message how often it came, over all channels."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None, "it was entered"
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None, "it listens once it was entered"
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(min(int(length[1]), LONGEST)) if length else b""
            self.heard[msgspec.json.decode(body, type=_Payload).data.id] += 1
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            # A controller that is killed while it speaks is heard once it says it again.
            pass
        finally:
            writer.close()
