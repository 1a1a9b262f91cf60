"""HTTP on the wire: uvicorn's protocol, with bounds on a request's head and a problem for what is no HTTP."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from watership.api.problems import MEDIA_TYPE, Problem

HEAD_BYTES: Final = 64 * 1024
"""Of a request line and its headers: eight times what proxies let through; uvicorn itself has no bound."""

HEAD_SECONDS: Final = 20.0
"""How long a head may take to arrive; a client that trickles it would hold a connection for ever."""


class WireProtocol(HttpToolsProtocol):
    """One connection. A request that arrives in one piece sets no timer: with thousands in a second each would cost."""

    head_seconds = HEAD_SECONDS
    _head_bytes = 0
    _in_head = True
    _late: asyncio.TimerHandle | None = None
    """Set while the rest of a head is awaited."""
    _idle_since: float | None = None
    _idle: asyncio.TimerHandle | None = None
    """Set once for as long as a connection may idle; what idled since is looked at when it fires."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(f"The head of a request has at most {HEAD_BYTES:,} bytes.")
            self._await_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._idle_since = None
        # A head that follows on another in one packet has a time of its own.
        self._forget()

    def on_headers_complete(self) -> None:
        self._in_head = False
        # Begun perhaps before the answer to the request before it was complete, which is when idling begins.
        self._idle_since = None
        self._head_bytes = 0
        self._forget()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but for the timer of the idle connection."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        self._idle = None
        if self._idle_since is None:
            return
        until = self._idle_since + self.timeout_keep_alive
        if until <= self.loop.time():
            self.timeout_keep_alive_handler()
        else:
            self._idle = self.loop.call_at(until, self._look_whether_idle)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP has no request id; the answer is a problem all the same, and the last one."""
        body = msgspec.json.encode(
            Problem(
                type="urn:watership:problem:bad_request",
                title="The request is wrong",
                status=400,
                detail=msg,
                code="bad_request",
                request_id="",
            )
        )
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _await_head(self) -> None:
        if self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(self.head_seconds, self._give_up)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        # Only a head that was never finished: while an answer is written no head is awaited.
        if self._in_head and not self.transport.is_closing():
            self.transport.close()
