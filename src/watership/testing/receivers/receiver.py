"""A receiver is an HTTP server that keeps what it accepts, and says no as the real one would."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlsplit

import msgspec

from watership.testing.receivers.port import Port, ThreadingServer

BODY_BYTES: Final = 1024 * 1024


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What came in. `body` is its JSON, empty where there was none; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Mapping[str, Any]
    at: float
    """By the clock of the machine."""
    problem: str = ""
    """Why it was refused."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the receiver says. `problem` is empty where it accepts; without `keep` it was a question, no message."""

    status: int
    body: object
    problem: str = ""
    keep: bool = True


class Receiver:
    """Use it as a context manager. `name` is told by `str`."""

    name: ClassVar[str] = "receiver"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: list[Request] = []
        self._refused: list[Request] = []
        self._fault: tuple[int, float | None] | None = None
        self._port = Port(lambda address: _Server(address, self))

    # --- what a test does ---------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._port.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port.close()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._port.number}"

    @property
    def url(self) -> str:
        """What a channel is given."""
        return self.base

    @property
    def received(self) -> list[Request]:
        """What was accepted, in order."""
        with self._lock:
            return list(self._received)

    @property
    def refused(self) -> list[Request]:
        """What the real one would not take either, each with its `problem`. What met a `down` is not among them."""
        with self._lock:
            return list(self._refused)

    def down(self, status: int | None = None, *, retry_after: float | None = None) -> None:
        """Refuse connections, or answer everything with `status` (503, 429 …)."""
        if status is None:
            self._port.refuse()
        else:
            self._fault = (status, retry_after)

    def up(self) -> None:
        self._fault = None
        self._port.listen()

    # --- what a receiver decides ----------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        """By the rules of the real one. Called under the lock, one request at a time."""
        raise NotImplementedError

    def take(self, request: Request) -> tuple[int, object, Mapping[str, str]]:
        """Status, body and headers of the answer."""
        if self._fault is not None:
            status, later = self._fault
            return status, {"error": "not now"}, {} if later is None else {"retry-after": f"{later:g}"}
        with self._lock:
            answer = self.answer(request)
            if answer.problem:
                self._refused.append(msgspec.structs.replace(request, problem=answer.problem))
            elif answer.keep:
                self._received.append(request)
        return answer.status, answer.body, {}


class _Server(ThreadingServer):
    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(address, _Exchange)


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self._exchange()

    def do_GET(self) -> None:
        self._exchange()

    def do_PATCH(self) -> None:
        self._exchange()

    def do_PUT(self) -> None:
        self._exchange()

    def _exchange(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(min(length, BODY_BYTES))
        request = Request(
            method=self.command,
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            raw=raw,
            body=_parsed(raw),
            at=time.time(),
        )
        status, body, headers = self.server.receiver.take(request)
        text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("content-length", str(len(text)))
            self.send_header("connection", "close")  # so that a receiver that goes down is down at once
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)
        except OSError:  # whoever asked has gone; what was accepted is on record
            pass
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """The record is the receiver's own."""


def _parsed(raw: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def path_of(request: Request) -> str:
    """The path without its query."""
    return urlsplit(request.path).path
