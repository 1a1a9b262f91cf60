"""The events of a run as a stream (SSE): resumable, alive while nothing happens, closed before the service ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext, suppress
from typing import Final

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from watership.api.endpoint import Call
from watership.api.lifecycle import Lifecycle
from watership.api.shapes import RunView, view
from watership.durable.events import Entry, kind_of
from watership.durable.ids import RunId
from watership.durable.ports import run_topic
from watership.fleet.fanout import Ear, Fanout

POLL_SECONDS: Final = 1.0
"""The bell may lose rings, so the journal is asked this often at least."""

RETRY_MILLISECONDS: Final = 1_000
"""When a client whose stream broke comes back."""

PAGE: Final = 500
"""Journal entries read at a time."""

_encode = msgspec.json.Encoder().encode


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
    """The entries of the run's journal after `after`, a `state` whenever it changed, `end` once it has ended."""
    return EventStream(_events(call, run_id, after), call.service.lifecycle)


async def _events(call: Call, run_id: RunId, after: int) -> AsyncGenerator[bytes, None]:
    # Listening begins before the first look at the store: what comes in between is heard.
    async with (
        _ear(call.service.fanout, run_topic(run_id)) as ear,
        aclosing(_told(call, run_id, after, ear)) as told,
    ):
        async for event in told:
            yield event


async def _told(call: Call, run_id: RunId, after: int, ear: Ear | None) -> AsyncGenerator[bytes, None]:
    service = call.service
    # A listener is known by its topics: one of its own keeps the streams of one run from taking each other's rings.
    topics = frozenset({run_topic(run_id), f"stream:{service.new_id()}"})
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    heard, told = service.clock.monotonic(), None
    while not service.lifecycle.draining.is_set():
        # The run is read before its journal, so that an ended run's journal is whole.
        run = await service.messages.get(run_id, call.identity)
        entries = await service.runs.journal(run_id, after=after, limit=PAGE)
        for entry in entries:
            after = entry.seq
            yield _entry(entry)
        if not entries and run.ended:
            yield _event("end", view(run))
            return
        if run.state is not told and not run.ended:
            # Not everything that moves a run is an entry: a claim is not, nor is parking for an approval.
            told = run.state
            yield _event("state", view(run))
        if service.clock.now() >= call.identity.expires_at:
            yield _event("expired", None)
            return
        now = service.clock.monotonic()
        if entries:
            heard = now
            continue
        if now - heard >= service.limits.heartbeat_seconds:
            heard = now
            yield b": still here\n\n"
        await _news_or_drain(call, topics, ear)
    yield _event("drain", None)


def _ear(fanout: Fanout | None, topic: str) -> AbstractAsyncContextManager[Ear | None]:
    return nullcontext() if fanout is None else fanout.listen(topic)


async def _news_or_drain(call: Call, topics: frozenset[str], ear: Ear | None) -> None:
    """Until the run's bell rings or another process tells of it, the service drains, or it is time to look again."""
    waits: list[asyncio.Future[object]] = [
        asyncio.ensure_future(call.service.bell.wait(topics, POLL_SECONDS)),
        asyncio.ensure_future(call.service.lifecycle.draining.wait()),
    ]
    if ear is not None:
        # Whatever it says, the journal is read: the message only tells that it is time to.
        waits.append(asyncio.ensure_future(ear.next(POLL_SECONDS)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        for wait in waits:
            with suppress(asyncio.CancelledError):
                await wait


def _entry(entry: Entry) -> bytes:
    return f"id: {entry.seq}\nevent: {kind_of(entry.event)}\ndata: ".encode() + _encode(entry) + b"\n\n"


def _event(name: str, value: RunView | None) -> bytes:
    return f"event: {name}\ndata: ".encode() + _encode(value) + b"\n\n"
