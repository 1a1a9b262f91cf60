"""The frames of a run as server-sent events: alive while nothing happens, closed before the service ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from watership.api.endpoint import Call
from watership.api.frames import STILL_HERE, Frame, frames
from watership.api.lifecycle import Lifecycle
from watership.durable.ids import RunId

RETRY_MILLISECONDS: Final = 1_000
"""When a client whose stream broke comes back."""


class EventStream(StreamingResponse):
    """A stream that is counted while it is open, and whose source is closed with it."""

    def __init__(self, source: AsyncGenerator[bytes, None], lifecycle: Lifecycle) -> None:
        super().__init__(
            source,
            media_type="text/event-stream",
            # The last one is for proxies that would otherwise collect the events.
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        self._source = source
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._source):
            with self._lifecycle.stream():
                await super().__call__(scope, receive, send)


def run_events(call: Call, run_id: RunId, after: int) -> EventStream:
    """Everything that a follower of the run is told after entry `after` of its journal."""
    return EventStream(_events(call, run_id, after), call.service.lifecycle)


async def _events(call: Call, run_id: RunId, after: int) -> AsyncGenerator[bytes, None]:
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    async with aclosing(frames(call, run_id, after)) as told:
        async for frame in told:
            yield b": still here\n\n" if frame is STILL_HERE else event(frame)


def event(frame: Frame) -> bytes:
    """A frame on the wire. Only entries of the journal have an id, for it is what a client comes back with."""
    number = "" if frame.id is None else f"id: {frame.id}\n"
    return f"{number}event: {frame.event}\ndata: ".encode() + bytes(frame.data) + b"\n\n"
