"""One client: a kept connection, one request at a time, no second try."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import httptools

PATIENCE_SECONDS = 10.0
"""After this a request counts as failed, as it would for a person."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class NoAnswer(Exception):
    """There was no answer: refused, reset, or too late. It is counted, never tried again."""


@dataclass(slots=True)
class Answer:
    """What came back. `deployment` and `slot` are what the instance and the router said."""

    status: int = 0
    body: bytes = b""
    deployment: str = ""
    slot: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class _Reading:
    """An answer as the parser meets it."""

    done: asyncio.Future[Answer]
    answer: Answer = field(default_factory=Answer)
    parser: httptools.HttpResponseParser = field(init=False)
    closing: bool = False

    def __post_init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"x-watership-deployment":
                self.answer.deployment = value.decode("latin-1")
            case b"x-watership-slot":
                self.answer.slot = value.decode("latin-1")
            case b"connection" if value.lower() == b"close":
                self.closing = True

    def on_headers_complete(self) -> None:
        self.answer.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.answer.body += body

    def on_message_complete(self) -> None:
        if self.answer.status >= 200 and not self.done.done():
            self.done.set_result(self.answer)


class _Wire(asyncio.Protocol):
    """A connection to the router."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reading: _Reading | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.reading is None:
            return
        try:
            self.reading.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"malformed answer: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._fail(f"connection lost: {exc or 'closed'}")

    def _fail(self, reason: str) -> None:
        if self.reading is not None and not self.reading.done.done():
            self.reading.done.set_exception(NoAnswer(reason))


class Client:
    """Asks the router, over a connection that it keeps as long as the router does."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._wire: _Wire | None = None
        self._loop = asyncio.get_running_loop()

    async def request(
        self, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] = NO_HEADERS
    ) -> Answer:
        """The answer, whatever its status. Raises NoAnswer when there is none."""
        started = self._loop.time()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await self._exchange(method, path, body, headers)
        except TimeoutError:
            self.close()
            raise NoAnswer(f"no answer within {PATIENCE_SECONDS:.0f} s") from None
        except OSError as error:
            self.close()
            raise NoAnswer(f"no connection: {error}") from error
        answer.seconds = self._loop.time() - started
        return answer

    async def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wire = self._wire
        if wire is None or wire.transport is None:
            _, wire = await self._loop.create_connection(_Wire, self._host, self._port)
            self._wire = wire
        assert wire.transport is not None
        wire.reading = _Reading(self._loop.create_future())
        head = f"{method} {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if body:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        elif method == "POST":
            head += "content-length: 0\r\n"
        wire.transport.write(head.encode() + b"\r\n" + body)
        try:
            answer = await wire.reading.done
        except NoAnswer:
            self.close()
            raise
        if wire.reading.closing:
            self.close()
        return answer

    def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None and wire.transport is not None:
            wire.reading = None
            wire.transport.abort()
