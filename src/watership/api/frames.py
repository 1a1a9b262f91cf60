"""What a follower of a run is told, as frames: its journal, whole and resumable, and what its models say meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any, Final

import msgspec

from watership.agents.speech import Said, read_said, speech_topic
from watership.api.endpoint import Call
from watership.api.heard import Heard, Told
from watership.api.shapes import view
from watership.durable.events import Entry, kind_of
from watership.durable.ids import RunId
from watership.durable.ports import run_topic
from watership.fleet.fanout import Ear

POLL_SECONDS: Final = 1.0
"""The bell may lose rings, so the journal is asked this often at least."""

PAGE: Final = 500
"""Journal entries read at a time."""

PATIENCE_SECONDS: Final = 1.0
"""How long whoever comes late waits for the beginning of an answer, before he is told where he came in. A speaker
tells it within a twentieth of this."""

_encode = msgspec.json.Encoder().encode


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing told. Those with an `id` are the entries of the journal, and are what a broken stream goes on behind;
    the others are of the moment."""

    id: int | None = None
    event: str
    data: msgspec.Raw


STILL_HERE: Final = Frame(event="", data=msgspec.Raw(b"null"))
"""Nothing happened for a while, and the stream lives."""


async def frames(call: Call, run_id: RunId, after: int) -> AsyncGenerator[Frame, None]:
    """The entries of the run's journal after `after`, speech between them, a `state` whenever it changed, and at last
    why it is over: `end`, `expired` or `drain`."""
    service = call.service
    async with AsyncExitStack() as stack:
        # Listening begins before the first look at the store, and before it is said: what comes in between is heard.
        ear = None
        if service.fanout is not None and service.audience is not None:
            ear = await stack.enter_async_context(service.fanout.listen(speech_topic(run_id)))
            stack.enter_context(service.audience.watching(run_id))
        told = await stack.enter_async_context(aclosing(_told(call, run_id, after, ear)))
        async for frame in told:
            yield frame


async def _told(call: Call, run_id: RunId, after: int, ear: Ear | None) -> AsyncGenerator[Frame, None]:
    service, speech = call.service, _Speech(call, ear)
    # A listener is known by its topics: one of its own keeps the streams of one run from taking each other's rings.
    topics = frozenset({run_topic(run_id), f"stream:{service.new_id()}"})
    alive, state = service.clock.monotonic(), None
    while not service.lifecycle.draining.is_set():
        # The run is read before its journal, so that an ended run's journal is whole.
        run = await service.messages.get(run_id, call.identity)
        entries = await service.runs.journal(run_id, after=after, limit=PAGE)
        # What was said before an entry was written is told before it.
        for frame in await speech.before():
            yield frame
        for entry in entries:
            after = entry.seq
            yield _entry(entry)
            for frame in speech.behind(entry):
                yield frame
        for frame in speech.after():
            yield frame
        if not entries and run.ended:
            yield _frame("end", view(run))
            return
        if run.state is not state and not run.ended:
            # Not everything that moves a run is an entry: a claim is not, nor is parking for an approval.
            state = run.state
            yield _frame("state", view(run))
        if service.clock.now() >= call.identity.expires_at:
            yield _frame("expired", None)
            return
        now = service.clock.monotonic()
        if entries:
            alive = now
            continue
        if now - alive >= service.limits.heartbeat_seconds:
            alive = now
            yield STILL_HERE
        async with aclosing(speech.until_news(topics)) as said:
            async for frame in said:
                yield frame
    yield _frame("drain", None)


class _Speech:
    """The speech of one stream. Pieces of an answer that is new wait until the journal has been read."""

    def __init__(self, call: Call, ear: Ear | None) -> None:
        self._service = call.service
        self._ear = ear
        self._heard = Heard()
        self._waiting: deque[Said] = deque()
        self._patient_until = call.service.clock.monotonic() + PATIENCE_SECONDS

    async def before(self) -> list[Frame]:
        """Pieces of the answers that are being told, as far as they have come."""
        while self._ear is not None and (message := await self._ear.next(0)) is not None:
            if (said := read_said(message)) is not None:
                self._waiting.append(said)
        going_on = [said for said in self._waiting if not self._heard.is_new(said)]
        self._waiting = deque(said for said in self._waiting if self._heard.is_new(said))
        return list(self._tell(going_on))

    def behind(self, entry: Entry) -> Iterator[Frame]:
        return map(_told_frame, self._heard.read(entry))

    def after(self) -> Iterator[Frame]:
        """Pieces of new answers: the journal has been read since they came."""
        said, self._waiting = self._waiting, deque()
        return self._tell(said)

    async def until_news(self, topics: frozenset[str]) -> AsyncGenerator[Frame, None]:
        """Speech, until the run's bell rings, the service drains, an answer begins, or it is time to look again."""
        news: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._service.bell.wait(topics, POLL_SECONDS)),
            asyncio.ensure_future(self._service.lifecycle.draining.wait()),
        ]
        try:
            while not any(each.done() for each in news) and not self._waiting:
                for said in await self._next(news):
                    if self._heard.is_new(said):
                        self._waiting.append(said)
                        continue
                    for frame in self._tell([said]):
                        yield frame
        finally:
            await _dropped(news)

    async def _next(self, news: list[asyncio.Future[Any]]) -> list[Said]:
        """The next piece; none if there is news before it."""
        if self._ear is None:
            await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
            return []
        hearing = asyncio.ensure_future(self._ear.next(POLL_SECONDS))
        try:
            await asyncio.wait([*news, hearing], return_when=asyncio.FIRST_COMPLETED)
            # A GAP is no piece: the next one tells by its offset what was missed.
            said = read_said(hearing.result() or b"") if hearing.done() else None
            return [] if said is None else [said]
        finally:
            await _dropped([hearing])

    def _tell(self, pieces: list[Said] | deque[Said]) -> Iterator[Frame]:
        patient = self._service.clock.monotonic() < self._patient_until
        for said in pieces:
            yield from map(_told_frame, self._heard.hear(said, patient=patient))


async def _dropped(waits: Sequence[asyncio.Future[Any]]) -> None:
    for wait in waits:
        wait.cancel()
    for wait in waits:
        with suppress(asyncio.CancelledError):
            await wait


def _entry(entry: Entry) -> Frame:
    return Frame(id=entry.seq, event=kind_of(entry.event), data=msgspec.Raw(_encode(entry)))


def _told_frame(told: Told) -> Frame:
    return _frame(told.EVENT, told)


def _frame(event: str, value: msgspec.Struct | None) -> Frame:
    return Frame(event=event, data=msgspec.Raw(_encode(value)))
