"""A connection of the load generator: HTTP/1.1, one request at a time, and as little work as can be done for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

POST = b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class Broken(ConnectionError):
    """The connection ended, or the answer did not come."""


class Connection(asyncio.Protocol):
    """Open it with `connect`."""

    def __init__(self, host: str) -> None:
        self._host = host.encode()
        self._answer: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    async def post(self, path: bytes, body: bytes) -> Answer:
        return await self._ask(POST % (path, self._host, len(body), body))

    async def get(self, path: bytes) -> Answer:
        return await self._ask(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, self._host))

    async def _ask(self, request: bytes) -> Answer:
        if self._transport is None or self._transport.is_closing():
            raise Broken("The connection is closed.")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._transport.write(request)
        return await answer

    def abort(self) -> None:
        """End the connection at once; who waits for an answer gets Broken. There is no time limit of its own."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Broken(f"The connection ended before the answer: {exc!r}"))

    # --- the parser's side --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(Answer(self._parser.get_status_code(), self._body))


async def connect(url: str) -> Connection:
    """A connection to the server at `url`."""
    address = urlsplit(url)
    assert address.hostname is not None and address.port is not None
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(address.netloc), address.hostname, address.port
    )
    return connection
