"""The frames of a run over WebSocket: the door, which lets the same people in as HTTP does, and the talk behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Final
from urllib.parse import urlsplit

import msgspec
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from watership.api.asked import Asked
from watership.api.endpoint import Call
from watership.api.frames import STILL_HERE, Frame, frames
from watership.api.front import REQUEST_ID
from watership.api.lifecycle import Lifecycle
from watership.api.problems import UpgradeRequired, problem
from watership.durable.ids import RunId
from watership.errors import NotAllowed, WatershipError

PROTOCOL: Final = "watership"
"""The subprotocol that a client may ask for. A page, whose WebSocket sets no header, asks for this and for another
that begins with TOKEN and goes on with its token."""

TOKEN: Final = "watership.token."  # noqa: S105 - what stands before one

OVER: Final = 1000
RESTARTS: Final = 1012
REFUSED: Final = 1008
"""Close codes: the run has ended; the service ends, come back; not (or no longer) allowed, or not asked for."""

CODES: Final = {"end": OVER, "drain": RESTARTS, "expired": REFUSED}
"""The last frame → how the connection is closed."""

Serve = Callable[[Asked], Awaitable[ASGIApp]]

_encode = msgspec.json.Encoder().encode


class SocketDoor:
    """Of one path. Who is refused gets the problem document that HTTP would give them, before the handshake."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["method"] = "GET"
        asked = Asked(scope, receive)
        try:
            _only_own_pages(asked)
            answer = await self._serve(_with_token(asked))
        except (WatershipError, HTTPException) as error:
            answer = problem(error, scope[REQUEST_ID])
        await answer(scope, receive, send)


class SocketStream:
    """One connection: frames go out as they come, nothing comes in. It is counted as a stream while it is open."""

    def __init__(self, source: AsyncGenerator[Frame, None], lifecycle: Lifecycle) -> None:
        self._source = source
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._source):
            if scope["type"] != "websocket":
                await problem(UpgradeRequired(), scope[REQUEST_ID])(scope, receive, send)
                return
            with self._lifecycle.stream():
                await receive()  # the wish to connect
                chosen = PROTOCOL if PROTOCOL in scope["subprotocols"] else None
                await send({"type": "websocket.accept", "subprotocol": chosen})
                with suppress(OSError):  # the client is gone: nobody is left to be told anything
                    await self._talk(receive, send)

    async def _talk(self, receive: Receive, send: Send) -> None:
        telling = asyncio.create_task(self._tell(send))
        hearing = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                code, reason = telling.result()
            elif hearing.result()["type"] == "websocket.receive":
                code, reason = REFUSED, "Nothing is taken here: this connection only tells."
            else:
                return
        finally:
            for task in (telling, hearing):
                task.cancel()
            await asyncio.gather(telling, hearing, return_exceptions=True)
        await send({"type": "websocket.close", "code": code, "reason": reason})

    async def _tell(self, send: Send) -> tuple[int, str]:
        """Send every frame; how to close after the last one."""
        last = ""
        async for frame in self._source:
            # Pings of the protocol's own show that an idle connection lives.
            if frame is not STILL_HERE:
                # It returns when there is room: a slow reader is waited for, and loses speech meanwhile.
                await send({"type": "websocket.send", "text": _encode(frame).decode()})
                last = frame.event
        return CODES.get(last, OVER), last


def run_socket(call: Call, run_id: RunId, after: int) -> SocketStream:
    """Everything that a follower of the run is told after entry `after` of its journal."""
    return SocketStream(frames(call, run_id, after), call.service.lifecycle)


def _only_own_pages(asked: Asked) -> None:
    """A page of another site must not connect through somebody's browser, which asks nobody before it does."""
    origin, host = asked.header(b"origin"), asked.header(b"host")
    if origin is not None and _address(origin) != _address(f"{urlsplit(origin).scheme}://{host}"):
        raise NotAllowed(
            "A page of another site may not connect here.",
            fix="Serve the page from the same host, or connect from a program, which sends no Origin.",
        )


def _address(url: str) -> tuple[str | None, int | None]:
    """Host and port, the scheme's own where none stands there. What is no address is none."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None, None


def _with_token(asked: Asked) -> Asked:
    """What is asked, with the token where HTTP has it if it stands among the subprotocols."""
    scope = asked.scope
    tokens = [name.removeprefix(TOKEN) for name in scope["subprotocols"] if name.startswith(TOKEN)]
    if not tokens or asked.header(b"authorization") is not None:
        return asked
    scope["headers"] = [*scope["headers"], (b"authorization", f"Bearer {tokens[0]}".encode("latin-1"))]
    return Asked(scope, asked.receive)
