"""A way to PostgreSQL that can be cut in the worst moment: when a commit is on its way, or done and not yet told.

What commits is a COMMIT, or a statement outside of a transaction; of a session that writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

COMMIT = b"COMMIT"
BIND = b"B"
"""How the execution of a prepared statement begins."""
READY = b"Z\x00\x00\x00\x05"
IDLE = b"I"
"""How the server's last answer to a message ends, and its state after it when no transaction is open."""
WRITER = b"writer"
"""In the name that a session gives itself when it begins."""
PIECE = 65_536


class Way:
    """One port before the server's. `cuts`: how many of the next commits are cut before the answer, or on the way."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.cut_after = 0
        self.cut_before = 0
        self.cuts = 0
        self.sent = 0
        """Messages of sessions that write."""

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
        session = _Session()
        answered = asyncio.create_task(self._answer(session, up_reader, writer))
        try:
            while piece := await reader.read(PIECE):
                session.writes = session.writes or WRITER in piece
                self.sent += session.writes
                commits = session.writes and (COMMIT in piece or (session.idle and piece.startswith(BIND)))
                if commits and self.cut_before:
                    self.cut_before -= 1
                    self.cuts += 1
                    break
                session.committing = commits and self.cut_after > 0
                up_writer.write(piece)
                await up_writer.drain()
        except ConnectionError:
            pass
        finally:
            up_writer.close()
            writer.close()
            await asyncio.wait([answered])

    async def _answer(
        self, session: _Session, up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while piece := await up_reader.read(PIECE):
                if piece[-6:-1] == READY:
                    session.idle = piece.endswith(IDLE)
                if session.committing:
                    session.committing = False
                    self.cut_after -= 1
                    self.cuts += 1
                    break
                writer.write(piece)
        except ConnectionError:
            pass
        finally:
            writer.close()


@dataclass(slots=True)
class _Session:
    writes: bool = False
    idle: bool = False
    committing: bool = False
