"""A way to PostgreSQL that can be cut in the worst moment: when a COMMIT is on its way, or done and not yet told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

COMMIT = b"COMMIT"
PIECE = 65_536


class Way:
    """One port before the server's. `cuts`: how many of the next COMMITs are cut before the answer, or on the way."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.cut_after = 0
        self.cut_before = 0
        self.cuts = 0
        self._waiting = False

    @property
    def url(self) -> str:
        parts = urlsplit(self._url)
        return urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{self.port}"))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Way]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self._url)
        assert parts.hostname is not None
        up_reader, up_writer = await asyncio.open_connection(parts.hostname, parts.port)
        answered = asyncio.create_task(self._answer(up_reader, writer))
        try:
            while piece := await reader.read(PIECE):
                if COMMIT in piece and self.cut_before:
                    self.cut_before -= 1
                    self.cuts += 1
                    break
                self._waiting = COMMIT in piece and self.cut_after > 0
                up_writer.write(piece)
                await up_writer.drain()
        except ConnectionError:
            pass
        finally:
            up_writer.close()
            writer.close()
            await asyncio.wait([answered])

    async def _answer(self, up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await up_reader.read(PIECE):
                if self._waiting:
                    self._waiting = False
                    self.cut_after -= 1
                    self.cuts += 1
                    break
                writer.write(piece)
        except ConnectionError:
            pass
        finally:
            writer.close()
