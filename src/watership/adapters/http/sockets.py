"""A socket is opened to see how its server takes the handshake, and what it says first."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)

from watership.adapters.address import parsed, shown
from watership.adapters.http.trust import trust
from watership.errors import BadInput, Unavailable
from watership.releases.instruments import SocketAnswer

SWITCHED: Final = 101
"""The status of a handshake that was taken."""

MESSAGE_BYTES: Final = 1024 * 1024
"""Of a message that comes: a larger one ends the connection."""

CLOSE_SECONDS: Final = 1.0
"""For the good-bye; the answer stands by then."""


class _Once(connect):
    """Redirects are not followed: the status that an address gives is what is asked for."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class WebSockets:
    """Sockets over real connections; `authorities`: a file of those to trust in place of the system's."""

    def __init__(self, authorities: Path | None = None) -> None:
        self._authorities = authorities

    async def open(
        self, url: str, *, headers: Mapping[str, str] = {}, send: str = "", timeout: float = 5.0
    ) -> SocketAnswer:
        secure = parsed(url, "ws", "wss").scheme == "wss"
        try:
            async with asyncio.timeout(timeout):
                socket = await self._connect(url, headers, trust(self._authorities) if secure else None)
        except InvalidStatus as refusal:
            return SocketAnswer(status=refusal.response.status_code)
        except InvalidURI:
            raise BadInput(f"{shown(url)} is no URL of a WebSocket.") from None
        except TimeoutError:
            raise Unavailable(f"{shown(url)} did not shake hands within {timeout:g} s.") from None
        except (InvalidHandshake, OSError, EOFError) as reason:
            raise Unavailable(
                f"{shown(url)} does not open: {str(reason) or type(reason).__name__}."
            ) from reason
        try:
            return SocketAnswer(status=SWITCHED, first=await _first_text(socket, send, timeout))
        except ConnectionClosed as reason:
            raise Unavailable(f"{shown(url)} broke off: {reason}.") from reason
        finally:
            await socket.close()

    async def _connect(
        self, url: str, headers: Mapping[str, str], certificates: ssl.SSLContext | None
    ) -> ClientConnection:
        return await _Once(
            url,
            additional_headers=dict(headers),
            ssl=certificates,
            # A proxy of the operator's shell must not answer for the server.
            proxy=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=CLOSE_SECONDS,
            max_size=MESSAGE_BYTES,
        )


async def _first_text(socket: ClientConnection, send: str, timeout: float) -> str | None:
    """None when none came in time, or the server closed in order before."""
    with suppress(TimeoutError, ConnectionClosedOK):
        async with asyncio.timeout(timeout):
            if send:
                await socket.send(send)
            while True:
                message = await socket.recv()
                if isinstance(message, str):
                    return message
    return None
