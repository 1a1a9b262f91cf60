"""The server: uvicorn inside our own process, started when it is ready and ended in an order of our own.

uvicorn does not close event streams when it is told to end, so the signals are ours: readiness goes first, then the
streams, then the listening socket, then the requests in flight.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final

import uvicorn

from watership.api.given import Service
from watership.api.health import judge, probe_all
from watership.api.service import build_app
from watership.api.wire import WireProtocol
from watership.errors import BadInput, Unavailable
from watership.fleet.identity import is_loopback

READY: Final = "Application ready to accept connections"
"""The line that deployment scripts wait for."""

PROBE_AGAIN_SECONDS: Final = 0.25
LOOK_AGAIN_SECONDS: Final = 0.005

STREAMS_SECONDS: Final = 5.0
"""How long open streams may take to say good-bye; what is left of the limit belongs to requests."""

CANCEL_SECONDS: Final = 1.0
"""How long a request that was cut off may take to say so."""

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than proxies keep an idle connection, so that it is they who close it and no request meets a closed one."""

SOCKET_BYTES: Final = 4 * 1024
"""Of one message that comes over a WebSocket: none is taken, and a larger one is not even read."""

PING_SECONDS: Final = 20.0
"""Between two pings of a WebSocket, and how long its client may take to answer one: proxies close what is silent."""

BACKLOG: Final = 2048

ELSEWHERE: Final = {
    False: "--port PORT (0 for any), or WATERSHIP_HTTP_PORT",
    True: "--http HOST:PORT (port 0 for any), or WATERSHIP_WORKER_HTTP",
}
"""How an address is chosen: of a service, and of a worker's probes alone."""


class HttpServer:
    """Serves one service on one socket. Use it as an async context manager: entered once it is ready."""

    def __init__(self, service: Service, *, host: str, port: int) -> None:
        self._service = service
        self._host = host
        self._port = port
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                build_app(service),
                http=WireProtocol,
                ws="websockets-sansio",
                # Clients send nothing but the protocol's own frames.
                ws_max_size=SOCKET_BYTES,
                ws_ping_interval=PING_SECONDS,
                ws_ping_timeout=PING_SECONDS,
                # A frame is short, and a compressor for each connection takes more memory than it saves.
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on: the one that was found, where 0 was asked for."""
        return self._port

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def __aenter__(self) -> HttpServer:
        try:
            await self.start()
        except BaseException:
            await self.drain(0)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain(0)

    async def start(self) -> None:
        """Listen, wait until every component answered, and say so. Raises Unavailable when one does not."""
        if self._service.open and not is_loopback(self._host):
            raise BadInput(
                f"A service that asks nobody for a token does not listen on {self._host}.",
                fix='Set WATERSHIP_SECRET and auth = "token", or listen on 127.0.0.1.',
            )
        listener = _bind(self._host, self._port, ELSEWHERE[self._service.probes_only])
        self._port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._uvicorn.serve(sockets=[listener]), name="http")
        while not self._uvicorn.started:
            if self._task.done():
                listener.close()
                await self._task
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        await self._until_probed()
        self._service.lifecycle.started = True
        self._service.observer.note(READY, url=self.url, version=self._service.facts.version)

    async def drain(self, seconds: float) -> int:
        """End within `seconds`, in order; how many requests had to be cut off. Draining twice is draining once."""
        lifecycle, clock = self._service.lifecycle, self._service.clock
        until = clock.monotonic() + seconds
        self.begin_draining()
        if self._task is None or self._task.done():
            return 0
        await _within(min(seconds, STREAMS_SECONDS), lifecycle.streams_closed())
        # uvicorn gives its tasks this long from here; 0 would mean that it does not even look.
        left = max(until - clock.monotonic(), 0.01)
        self._uvicorn.config.timeout_graceful_shutdown = left  # type: ignore[assignment]  # it takes fractions
        self._uvicorn.should_exit = True
        await self._task
        # uvicorn cancels what is late and does not wait for it.
        await _within(CANCEL_SECONDS, lifecycle.requests_ended())
        cut = lifecycle.cut + lifecycle.requests
        self._service.observer.note("http ended", requests_cut=cut)
        return cut

    def begin_draining(self) -> None:
        """Readiness goes first; requests are still answered."""
        lifecycle = self._service.lifecycle
        if not lifecycle.draining.is_set():
            lifecycle.draining.set()
            self._service.observer.note("http drains", requests=lifecycle.requests, streams=lifecycle.streams)

    def hurry(self) -> None:
        """Let a drain that goes on end now."""
        self._uvicorn.should_exit = self._uvicorn.force_exit = True

    async def _until_probed(self) -> None:
        patience = self._service.limits.start_seconds
        give_up = self._service.clock.monotonic() + patience
        while judge(self._service, components := await probe_all(self._service)) == "failed":
            if self._service.clock.monotonic() >= give_up:
                failed = [f"{name}: {answer}" for name, answer in components.items() if answer != "ok"]
                raise Unavailable(f"After {patience:g} s not every component answers ({', '.join(failed)}).")
            await self._service.clock.sleep(PROBE_AGAIN_SECONDS)


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _within(seconds: float, wait: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wait
    except TimeoutError:
        return


def _bind(host: str, port: int, elsewhere: str) -> socket.socket:
    """A bound socket, not listening yet. Raises BadInput or Unavailable; `elsewhere` says how to choose another one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as reason:
        raise BadInput(f"{host} is no address to listen on: {reason}.") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as reason:
        listener.close()
        raise Unavailable(
            f"{host} port {port} cannot be listened on: {reason.strerror}.",
            fix=f"Another process may have it; choose another one: {elsewhere}.",
        ) from None
    listener.setblocking(False)
    return listener
