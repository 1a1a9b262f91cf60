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
    """One connection."""

    _head_bytes = 0
    _in_head = True
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(f"The head of a request has at most {HEAD_BYTES:,} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._forget()
        super().on_headers_complete()

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
        self._in_head = True
        self._forget()
        self._late = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._give_up)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        # Only a head that was never finished: while an answer is written no head is awaited.
        if self._in_head and not self.transport.is_closing():
            self.transport.close()
