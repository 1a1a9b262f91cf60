"""Appending: what happens in a run is committed under its epoch, and only then known to its journal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from watership.durable.committer import Committer
from watership.durable.events import AnyEvent, Failure
from watership.durable.ids import EntryId, NewId
from watership.durable.journal import Journal
from watership.durable.modes import Course, Mode
from watership.durable.ports import Observer
from watership.durable.run import Run
from watership.durable.waits import Waits
from watership.durable.writes import (
    Append,
    Done,
    Duplicate,
    Outcome,
    Refused,
    Submit,
    Then,
    WriteFenced,
    Yield,
)
from watership.errors import Unavailable


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Appender:
    """Writes one run. `append` is for calls and returns only after its COMMIT; `move` is for the loop, and answers."""

    row: Run
    journal: Journal
    course: Course
    waits: Waits
    committer: Committer
    new_id: NewId
    observer: Observer

    async def append(self, *events: AnyEvent, children: tuple[Submit, ...] = ()) -> None:
        """Commit events. Does not return if the run is no longer ours, or was stopped because its journal is full."""
        outcome = await self._write(self._entry(events, children))
        if isinstance(outcome, Refused):
            self.course.stop(failed(outcome))
        if not isinstance(outcome, Done):
            await self.waits.halt()

    async def move(self, then: Then) -> Done | Refused | None:
        """Move the run on: Done, Refused with nothing written, or None when it is no longer ours. Never halts."""
        return await self._write(self._entry(then=then))

    async def give_back(self) -> None:
        """Give the run back as its journal stands, lost or not, and whatever is under way."""
        await self.committer.write(self._entry(then=Yield()))

    def _entry(
        self, events: tuple[AnyEvent, ...] = (), children: tuple[Submit, ...] = (), then: Then | None = None
    ) -> Append:
        return Append(
            entry_id=EntryId(self.new_id()),
            run_id=self.row.id,
            epoch=self.row.epoch,
            events=events,
            children=children,
            then=then,
        )

    async def _write(self, append: Append) -> Done | Refused | None:
        """None when the run was lost. What was committed is taken in whoever stops waiting for it."""
        if self.course.mode is Mode.LOST:
            return None
        try:
            written = self.committer.enqueue(append)
            # A future of its own: whoever stops waiting for the write does not stop the write.
            waiter: asyncio.Future[Outcome] = written.get_loop().create_future()
            written.add_done_callback(partial(self._written, append, waiter))
            if append.then is None:  # a move is not active: it is made because nothing is
                self.waits.count(+1)
            outcome = await waiter
        except Unavailable as error:
            self.observer.note("run lost: the store does not answer", run_id=self.row.id, reason=str(error))
            self.course.lose()
            return None
        match outcome:
            case Done() | Duplicate():
                return Done()
            case WriteFenced():
                return None
            case Refused():
                return outcome
            case _:
                raise AssertionError(f"an append cannot come out as {outcome!r}")

    def _written(
        self, append: Append, waiter: asyncio.Future[Outcome], written: asyncio.Future[Outcome]
    ) -> None:
        """The outcome of an append is there; in the order of commits. It is taken in, then whoever waits is told."""
        if append.then is None:
            self.waits.count(-1)
        error = written.exception()
        if error is not None:
            if not waiter.done():
                waiter.set_exception(error)
            return
        outcome = written.result()
        match outcome:
            case Done() | Duplicate():
                for event in append.events:
                    self.journal.apply(event)
            case WriteFenced(current=current):
                self.observer.note("run fenced", run_id=self.row.id, epoch=append.epoch, current=current)
                self.course.lose()
            case _:
                pass
        if not waiter.done():
            waiter.set_result(outcome)


def failed(refused: Refused) -> Failure:
    """Why a run stops whose write was refused."""
    return Failure(kind="Refused", message=refused.reason, code=refused.code)
