"""A stand-in answers HTTP as another system would, and as a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import msgspec

from watership.testing.servers.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came; `path` with its query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. A body that is no bytes is sent as JSON; text as it is."""

    body: object = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> tuple[bytes, str]:
        match self.body:
            case bytes() as raw:
                return raw, "application/octet-stream"
            case str() as text:
                return text.encode(), "text/plain; charset=utf-8"
            case value:
                return msgspec.json.encode(value), "application/json"


Route = Answer | Callable[[Asked], Answer]


class StandIn:
    """An HTTP server on a free loopback port. Routes are "METHOD /path"; a query is not part of a route.

    What has no route is answered 404. `asked` are all requests so far.
    """

    def __init__(self, routes: Mapping[str, Route] | None = None) -> None:
        self.routes: dict[str, Route] = dict(routes or {})
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _requests(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @contextmanager
    def changed(self, route: str, to: Route | None) -> Iterator[None]:
        """Another answer for a while; None: the route is gone."""
        before = self.routes.get(route)
        self._put(route, to)
        try:
            yield
        finally:
            self._put(route, before)

    def _put(self, route: str, to: Route | None) -> None:
        if to is None:
            self.routes.pop(route, None)
        else:
            self.routes[route] = to

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        route = self.routes.get(f"{asked.method} {asked.path.partition('?')[0]}")
        if route is None:
            return Answer(status=404)
        return route if isinstance(route, Answer) else route(asked)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


def _requests(standin: StandIn) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # the answer goes in one piece: a health check leaves when it has seen the status

        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = standin.answer(Asked(self.command, self.path, headers, self.rfile.read(length)))
            content, kind = answer.content()
            self.send_response(answer.status)
            for name, value in {"content-type": kind, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Tests do not want it."""

    return Requests
