"""The front door: every request gets an id, a place, a measurement, and an answer whatever happens behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watership.api.given import Service
from watership.api.lifecycle import Lifecycle
from watership.api.problems import problem
from watership.errors import Unavailable

REQUEST_ID: Final = "watership.request_id"
ROUTE: Final = "watership.route"
"""Where in the scope the route's template is left, so that metrics have few values."""

Headers = Sequence[tuple[bytes, bytes]]

SWITCHED: Final = 101
"""The status of a handshake that was accepted."""

NO_ROUTE: Final = "(none)"
OTHER: Final = "(other)"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class CutOff(Unavailable):
    """The service had to end before the answer was there; what was asked may have been done."""

    code = "cut_off"

    def __init__(self) -> None:
        super().__init__(
            "The service ended before the answer was there; what was asked may have been done.",
            fix="Ask again with the same Idempotency-Key: what was done is not done twice.",
        )


class FrontDoor:
    """The outermost layer. What no endpoint caught becomes a problem document and an event in the log."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._always = [
            (b"x-content-type-options", b"nosniff"),
            (b"x-watership-deployment", service.facts.deployment.encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        began = self._service.clock.monotonic()
        scope[REQUEST_ID] = _request_id(scope) or self._service.new_id()
        out = _Out(send, scope, self._always, self._service.lifecycle)
        try:
            with self._service.lifecycle.request():
                await self._app(scope, receive, out.send)
        except ClientDisconnect:
            out.code = out.code or 499
        except asyncio.CancelledError:
            if self._service.lifecycle.draining.is_set() and not out.code:
                await problem(CutOff(), scope[REQUEST_ID])(scope, receive, out.send)
            raise
        except Unavailable as error:
            await self._failed(error, scope, receive, out)
        except Exception as error:  # noqa: BLE001 - the last place that can answer; the log gets all of it
            self._service.observer.note(
                "request failed",
                error=error,
                method=_method(scope),
                route=scope.get(ROUTE, NO_ROUTE),
                request_id=scope[REQUEST_ID],
            )
            await self._failed(error, scope, receive, out)
        finally:
            self._note(scope, out, self._service.clock.monotonic() - began)

    async def _failed(self, error: Exception, scope: Scope, receive: Receive, out: _Out) -> None:
        if out.code:
            # Half an answer is on its way: only a broken connection tells the client that it is not whole.
            raise error
        await problem(error, scope[REQUEST_ID])(scope, receive, out.send)

    def _note(self, scope: Scope, out: _Out, seconds: float) -> None:
        self._service.observer.note(
            "http request",
            method=_method(scope),
            route=scope.get(ROUTE, NO_ROUTE),
            code=out.code or 499,
            seconds=round(seconds, 6),
            request_id=scope[REQUEST_ID],
        )


class _Out:
    """Sends the answer, adds what every answer has, and remembers its status."""

    __slots__ = ("_always", "_lifecycle", "_request_id", "_send", "_socket", "code")

    def __init__(self, send: Send, scope: Scope, always: Headers, lifecycle: Lifecycle) -> None:
        self._send = send
        self._request_id: str = scope[REQUEST_ID]
        self._socket = scope["type"] == "websocket"
        self._always = always
        self._lifecycle = lifecycle
        self.code = 0

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in {"http.response.start", "websocket.accept"}:
            self.code = message.get("status", SWITCHED)
            own = (b"x-request-id", self._request_id.encode())
            headers = [*message.get("headers", ()), own, *self._always]
            if self._lifecycle.draining.is_set():
                # The client's next request should find another process.
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        if self._socket and kind.startswith("http."):
            # The answer of who is refused before the handshake.
            message = {**message, "type": f"websocket.{kind}"}
        await self._send(message)


def _method(scope: Scope) -> str:
    """A WebSocket begins with a GET."""
    method: str = scope.get("method", "GET")
    return method if method in METHODS else OTHER


def _request_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            return text if _GOOD_ID.fullmatch(text) else None
    return None
