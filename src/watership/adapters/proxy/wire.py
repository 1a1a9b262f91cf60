"""A wire is one TCP connection whose bytes come in as parsed pieces and go out with backpressure."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from enum import Enum
from typing import cast

import httptools

HEAD_BYTES = 32 * 1024
"""Bytes of a request line and its headers, or of an answer's head: twice what browsers and servers allow."""

HEADER_COUNT = 100
"""Header lines of one message: real ones have under 40, and each costs a copy."""

READ_AHEAD_BYTES = 64 * 1024
"""Bytes parsed and not yet passed on, above which the sender is made to wait."""

Headers = list[tuple[bytes, bytes]]


class Mark(Enum):
    """What is neither a head nor bytes of a body."""

    END = "end"


class Head:
    """The head of a request or of an answer, as it came."""

    __slots__ = ("headers", "keep_alive", "method", "minor", "size", "status", "target", "upgrade")

    def __init__(self) -> None:
        self.method = b""
        self.target = b""
        self.status = 0
        self.headers: Headers = []
        self.minor = 1
        self.keep_alive = True
        self.upgrade = False
        self.size = 0

    def get(self, name: bytes) -> bytes | None:
        """The first value of a header, by its lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Malformed:
    """The peer broke the protocol or a limit; `status` is the answer it deserves."""

    __slots__ = ("status",)

    def __init__(self, status: int) -> None:
        self.status = status


Piece = Head | bytes | Mark | Malformed


class Gone(Exception):
    """The connection ended, or its deadline passed, before the piece that was waited for."""


class Wire(asyncio.Protocol):
    """Both kinds of wire: the pieces that came, whether more may be written, and a deadline.

    The deadline is looked at once a second for all wires together, which costs less than a timer for each.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, wires: set[Wire]) -> None:
        self.loop = loop
        self.deadline = float("inf")
        self.expired = False
        self.closed = False
        self.head: Head | None = None
        self.raw = False
        self._wires = wires
        self._pieces: deque[Piece] = deque()
        self._waiting = 0
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._writable = True
        self._reading = True
        self._head_bytes = 0
        self._rejected = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._wires.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._wires.discard(self)
        self._wake_reader()
        self._wake_writer()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._wake_writer()

    def feed(self, data: bytes) -> None:
        """Give bytes to the parser; overridden by each kind."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        if self.raw:
            self.push(data, len(data))
            return
        if self._rejected:
            return
        try:
            self.feed(data)
        except httptools.HttpParserError:
            self.reject(431 if self.head is not None and self._oversized(self.head) else 400)
        if self.head is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.reject(431)

    def turn_raw(self, rest: bytes) -> None:
        """From here on, bytes are passed through as they come."""
        self.raw = True
        if rest:
            self.push(rest, len(rest))

    def reject(self, status: int) -> None:
        """Read nothing more of a peer that broke the rules."""
        self._rejected = True
        self.head = None
        # Counted as more than may be read ahead, and never counted off: reading stays off.
        self.push(Malformed(status), READ_AHEAD_BYTES + 1)

    # What the parser calls.

    def on_message_begin(self) -> None:
        self.head = Head()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        if self.head is not None:
            self.head.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is None:  # a trailer: nobody relies on one passing through a proxy
            return
        self.head.headers.append((name, value))
        self.head.size += len(name) + len(value) + 4
        if self._oversized(self.head):
            raise Gone

    @staticmethod
    def _oversized(head: Head) -> bool:
        return head.size + len(head.target) > HEAD_BYTES or len(head.headers) > HEADER_COUNT

    def on_body(self, body: bytes) -> None:
        self.push(body, len(body))

    def on_message_complete(self) -> None:
        self.push(Mark.END, 0)

    # What whoever reads and writes calls.

    def push(self, piece: Piece, size: int) -> None:
        self._pieces.append(piece)
        self._waiting += size
        if self._waiting > READ_AHEAD_BYTES and self._reading and not self.transport.is_closing():
            self._reading = False
            self.transport.pause_reading()
        self._wake_reader()

    def ready(self) -> bool:
        """Whether a piece is there without waiting."""
        return bool(self._pieces)

    def take(self) -> Piece:
        """The next piece, which must be there."""
        piece = self._pieces.popleft()
        if isinstance(piece, bytes):
            self._waiting -= len(piece)
        elif isinstance(piece, Head):
            self._waiting -= piece.size
        few = self._waiting <= READ_AHEAD_BYTES // 2
        if not self._reading and few and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()
        return piece

    async def piece(self) -> Piece:
        """The next piece. Raises Gone when none will come."""
        await self.arrival()
        return self.take()

    async def arrival(self) -> None:
        """Wait until a piece is there. Raises Gone when none will come."""
        while not self._pieces:
            if self.closed:
                raise Gone
            self._reader = self.loop.create_future()
            await self._reader

    async def written(self) -> None:
        """Wait until the peer has taken enough of what was written to it."""
        while not self._writable and not self.closed:
            self._writer = self.loop.create_future()
            await self._writer
        if self.closed:
            raise Gone

    def close(self) -> None:
        """End the connection once what was written has gone out."""
        if not self.closed:
            self.transport.close()

    def abort(self) -> None:
        """End it now, losing what was not sent."""
        if not self.closed:
            self.transport.abort()

    def reset(self) -> None:
        """End it so that the peer sees an error: a broken answer must not pass for a whole one."""
        if not self.closed:
            linger = struct.pack("ii", 1, 0)  # closing with a lingering time of zero sends RST instead of FIN
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()

    def expire(self) -> None:
        """The deadline has passed."""
        self.expired = True
        self.deadline = float("inf")
        self.abort()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _wake_writer(self) -> None:
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)


class UpstreamWire(Wire):
    """A connection to an instance; one exchange at a time, each with a parser of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wires: set[Wire]) -> None:
        super().__init__(loop, wires)
        self.idle_since = 0.0
        self.used = 0
        self.finished = True
        self.answered = False
        self._bodyless = False
        self._until_closed = False
        self._informational = False

    def begin(self, *, bodyless: bool) -> None:
        """Expect an answer; `bodyless` for HEAD, whose answers announce a body that does not come."""
        self._parser = httptools.HttpResponseParser(self)
        self.finished = self.answered = self._until_closed = False
        self._bodyless = bodyless
        self.used += 1

    def feed(self, data: bytes) -> None:
        if self.finished:  # nobody asked: what follows could be taken for the next answer
            self.abort()
            return
        self.answered = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.turn_raw(data[upgrade.args[0] :])

    def on_headers_complete(self) -> None:
        head, self.head = self.head, None
        assert head is not None
        head.status = self._parser.get_status_code()
        head.keep_alive = self._parser.should_keep_alive()
        self._informational = 100 <= head.status < 200 and head.status != 101
        if self._informational:
            return
        names = {name.lower() for name, _ in head.headers}
        bodyless = self._bodyless or head.status in {101, 204, 304}
        framed = b"content-length" in names or b"transfer-encoding" in names
        self._until_closed = not bodyless and not framed
        self.push(head, head.size)
        if self._bodyless:
            self.finished = True
            self.push(Mark.END, 0)

    def on_message_complete(self) -> None:
        # Informational answers end here: the client is told to go on by the proxy itself.
        if not self._informational and not self.finished:
            self.finished = True
            self.push(Mark.END, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._until_closed and exc is None and not self.finished and not self.expired:
            self.finished = True
            self.push(Mark.END, 0)
        super().connection_lost(exc)


class ClientWire(Wire):
    """A connection from a client. `task` serves it, and ends with it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wires: set[Wire]) -> None:
        super().__init__(loop, wires)
        self.task: asyncio.Task[None] | None = None
        self.between = True
        """Whether the next bytes begin a request that nobody works on yet."""
        self.head_seconds = float("inf")
        self._websocket = False
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        while data:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                if self._websocket:
                    self.turn_raw(data)
                    return
                # An offer to speak another protocol that is not taken up: go on in this one.
                self._parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.between:
            self.deadline = self.loop.time() + self.head_seconds

    def on_headers_complete(self) -> None:
        head, self.head = self.head, None
        assert head is not None
        head.method = self._parser.get_method()
        head.minor = 1 if self._parser.get_http_version() == "1.1" else 0
        head.keep_alive = self._parser.should_keep_alive()
        asked = self._parser.should_upgrade() and (head.get(b"upgrade") or b"").lower() == b"websocket"
        self._websocket = head.upgrade = asked and head.method == b"GET"
        self.push(head, head.size)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # Whoever waits for an instance on behalf of a client that left must let go of it.
        if self.task is not None:
            self.task.cancel()
