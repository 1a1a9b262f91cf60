"""A service starts, serves and drains; this says where it is, and how many requests it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Final

from watership.errors import Unavailable

REQUESTS: Final = 1_000
"""Requests served at a time, streams not counted. Beyond it new ones are refused before they are read."""

STREAMS: Final = 1_000
"""Event streams at a time: each holds a connection and asks the store now and then."""


class Overloaded(Unavailable):
    """More is asked at a time than one process serves; nothing of it was begun."""

    code = "overloaded"


class Lifecycle:
    """One per service. `started` once the dependencies answered, `draining` from the first word of the end."""

    def __init__(self) -> None:
        self.started = False
        self.draining = asyncio.Event()
        self.requests = 0
        self.streams = 0
        self.cut = 0
        """Requests that were cut off because the service had to end."""
        self._quiet, self._idle = asyncio.Event(), asyncio.Event()
        self._quiet.set()
        self._idle.set()
        self._counted = _Counted(self)

    def request(self) -> AbstractContextManager[None]:
        """Counts one request; raises Overloaded when there are too many."""
        return self._counted

    def request_begins(self) -> None:
        if self.requests - self.streams >= REQUESTS:
            raise Overloaded(f"{REQUESTS:,} requests are being served.", fix="Try again.", retry_after=1.0)
        self.requests += 1
        self._idle.clear()

    def request_ends(self, *, cancelled: bool) -> None:
        self.cut += cancelled and self.draining.is_set()
        self.requests -= 1
        if not self.requests:
            self._idle.set()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Counts one event stream; raises Overloaded when there are too many or the service drains."""
        if self.streams >= STREAMS or self.draining.is_set():
            raise Overloaded(
                "No further event stream can be held here.", fix="Connect again.", retry_after=1.0
            )
        self.streams += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self.streams -= 1
            if not self.streams:
                self._quiet.set()

    async def streams_closed(self) -> None:
        """Wait until no event stream is open."""
        await self._quiet.wait()

    async def requests_ended(self) -> None:
        """Wait until no request is being served."""
        await self._idle.wait()


class _Counted:
    """One for all requests of a service: it remembers nothing of them, and a generator for each would cost more."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def __enter__(self) -> None:
        self._lifecycle.request_begins()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lifecycle.request_ends(cancelled=kind is not None and issubclass(kind, asyncio.CancelledError))
