"""A connection of the load generator: HTTP/1.1, one request at a time, and as little work as can be done for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

ANSWER_SECONDS = 30.0
"""After which a request counts as an error: nobody waits longer for a 202."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class Broken(Exception):
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
        head = b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return await self._ask(head % (path, self._host, len(body)) + body)

    async def get(self, path: bytes) -> Answer:
        return await self._ask(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, self._host))

    async def _ask(self, request: bytes) -> Answer:
        if self._transport is None or self._transport.is_closing():
            raise Broken("The connection is closed.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._answer = answer
        self._transport.write(request)
        # Cheaper than a timeout's context for each request; it ends the connection, which fails the future.
        late = loop.call_later(ANSWER_SECONDS, self._transport.abort)
        try:
            return await answer
        finally:
            late.cancel()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

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
