"""Appending: what happens in a run is committed under its epoch; an outcome goes out with what follows it.

The program may know an outcome before it is committed (`known`); but no body is entered, no run parks, ends or is
handed over, and no child goes out before it is. So an outcome waits a moment for the write that comes after it, and
they share one. While anything else of the run is active an outcome is committed before it is known: hence at most
one write with known outcomes is under way, and the journal in memory keeps the order of the one in the store.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from watership.durable.committer import Committer
from watership.durable.events import AnyEvent, Failure
from watership.durable.ids import EntryId, NewId
from watership.durable.journal import Journal
from watership.durable.modes import Course, Mode
from watership.durable.ports import Observer
from watership.durable.program import failure_of
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

LINGER_TICKS = 32
"""Turns of the event loop that an outcome waits for company: a program that returns is heard of after one to four, an
agent's loop comes to its next step or its end after eleven to twenty-four, mostly. Turns, not milliseconds: a loaded
loop has long turns, and needs the company most."""

Answer = Done | Failure | None
"""Written; not written, and why; or None: the run is no longer ours."""


@dataclass(eq=False, slots=True, kw_only=True)
class Appender:
    """Writes one run. `append`, `know` and `settle` are for calls, and halt those that may not go on; `move` is for
    the loop, and answers."""

    row: Run
    journal: Journal
    course: Course
    waits: Waits
    committer: Committer
    new_id: NewId
    observer: Observer
    _known: list[AnyEvent] = field(default_factory=list, init=False)
    """Outcomes that the program knows and that were not sent yet."""
    _flying: bool = field(default=False, init=False)
    """Known outcomes are under way."""
    _landing: list[asyncio.Future[None]] = field(default_factory=list, init=False)
    """Of those who wait until they are committed, or never will be."""
    _broken: bool = field(default=False, init=False)
    """A known outcome was refused: the program has gone on from what never was, so nothing of it is kept."""
    _linger: asyncio.Handle | None = field(default=None, init=False)

    # --- for calls --------------------------------------------------------------------------------------------

    async def append(self, *events: AnyEvent, children: tuple[Submit, ...] = ()) -> None:
        """Commit events. Does not return if the run is no longer ours, or was stopped because its journal is full."""
        if children:  # they must not go out if what the program knew before was refused
            await self._landed()
        answer = await self._write(events, children)
        if isinstance(answer, Failure):
            self.course.stop(answer)
        if not isinstance(answer, Done):
            await self.waits.halt()
        await self._landed()

    async def know(self, outcome: AnyEvent) -> None:
        """Let the program know an outcome at once, and commit it with what follows. Of things that a replay may do
        again: what was known to nobody but the program."""
        alone = self.waits.active <= 1 and not self._flying
        if not alone or self.course.mode in (Mode.STOP, Mode.LOST):
            await self.append(outcome)
            return
        self.journal.apply(outcome)
        self._known.append(outcome)
        if self._linger is None:
            self._wait_for_company(LINGER_TICKS)

    async def settle(self) -> None:
        """Return once all that the program knows is committed: a body must not be entered before."""
        self._send_known()
        await self._landed()

    # --- for the loop -----------------------------------------------------------------------------------------

    async def move(self, then: Then) -> Answer:
        """Move the run on, or answer why nothing of the move was written. Never halts."""
        return await self._write(then=then)

    async def give_back(self) -> bool:
        """Give the run back as its journal stands, lost or not, whatever is under way; whether that was written."""
        answer = await self._ask(then=Yield())
        if isinstance(answer, Failure):  # of an outcome that went with it
            answer = await self._ask(then=Yield())
        return isinstance(answer, Done)

    # --- known outcomes ---------------------------------------------------------------------------------------

    def _wait_for_company(self, ticks: int) -> None:
        """Send what is known if nothing has taken it along in so many turns of the loop."""
        if ticks:
            self._linger = asyncio.get_running_loop().call_soon(self._wait_for_company, ticks - 1)
        else:
            self._send_known()

    def _send_known(self) -> None:
        if self._known and self.course.mode is not Mode.LOST:
            self._send()  # whom it concerns waits for its landing

    def _take_known(self) -> tuple[AnyEvent, ...]:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        known = tuple(self._known)
        self._known.clear()
        return known

    async def _landed(self) -> None:
        """Return once no known outcome is under way; not at all if one was refused."""
        if self._flying:
            landing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._landing.append(landing)
            await landing
        if self._broken:
            await self.waits.halt()

    def _land(self, answer: Answer) -> None:
        if isinstance(answer, Failure):
            self._broken = True
            self.course.stop(answer)
        self._flying = False
        landing, self._landing = self._landing, []
        for each in landing:
            if not each.done():
                each.set_result(None)

    # --- one write --------------------------------------------------------------------------------------------

    async def _write(
        self, events: tuple[AnyEvent, ...] = (), children: tuple[Submit, ...] = (), then: Then | None = None
    ) -> Answer:
        return None if self.course.mode is Mode.LOST else await self._ask(events, children, then)

    def _ask(
        self, events: tuple[AnyEvent, ...] = (), children: tuple[Submit, ...] = (), then: Then | None = None
    ) -> asyncio.Future[Answer]:
        """Send `events` with what is known before them. Whoever stops waiting for the write does not stop it."""
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._send(events, children, then, waiter)
        return waiter

    def _send(
        self,
        events: tuple[AnyEvent, ...] = (),
        children: tuple[Submit, ...] = (),
        then: Then | None = None,
        waiter: asyncio.Future[Answer] | None = None,
    ) -> None:
        known = self._take_known()
        if known:
            self._flying = True
        self._enqueue(_Sent(self, self._entry(known + events, children, then), len(known), waiter))

    def _entry(
        self, events: tuple[AnyEvent, ...], children: tuple[Submit, ...] = (), then: Then | None = None
    ) -> Append:
        return Append(
            entry_id=EntryId(self.new_id()),
            run_id=self.row.id,
            epoch=self.row.epoch,
            events=events,
            children=children,
            then=then,
        )

    def _enqueue(self, sent: _Sent) -> None:
        try:
            self.committer.send(sent.append, sent)
        except Unavailable as error:
            self._lose(error)
            self._tell(sent, None)
            return
        if sent.append.then is None:  # a move is not active: it is made because nothing is
            self.waits.count(+1)

    def written(self, sent: _Sent, outcome: Outcome | Exception) -> None:
        """What became of a write; in the order of commits. It is taken in, then whoever waits is told."""
        answer = self._take_in(sent, outcome)
        if sent.joint and isinstance(answer, Failure | Exception):
            # What the program knows already must not fall with what came after it: it is written alone.
            alone = self._entry(sent.append.events[: sent.known])
            self._enqueue(_Sent(self, alone, sent.known, sent.waiter, blame=answer))
        else:
            self._tell(sent, answer)
        if sent.append.then is None:
            self.waits.count(-1)

    def _take_in(self, sent: _Sent, outcome: Outcome | Exception) -> Answer | Exception:
        match outcome:
            case Done() | Duplicate():
                for event in sent.append.events[sent.known :]:
                    self.journal.apply(event)
                return Done()
            case WriteFenced(current=current):
                self.observer.note("run fenced", run_id=self.row.id, epoch=self.row.epoch, current=current)
                self.course.lose()
                return None
            case Refused():
                return failed(outcome)
            case Unavailable():
                self._lose(outcome)
                return None
            case Exception():
                return failure_of(outcome) if sent.known and not sent.joint else outcome
            case _:
                raise AssertionError(f"an append cannot come out as {outcome!r}")

    def _lose(self, error: Unavailable) -> None:
        """Whether it was written is unknown: whoever has the run next will see."""
        self.observer.note("run lost: the store does not answer", run_id=self.row.id, reason=str(error))
        self.course.lose()

    def _tell(self, sent: _Sent, answer: Answer | Exception) -> None:
        if sent.known and not isinstance(answer, Exception):
            self._land(answer)
        if sent.blame is not None and isinstance(answer, Done):
            answer = sent.blame
        if sent.waiter is None or sent.waiter.done():
            return
        if isinstance(answer, Exception):
            sent.waiter.set_exception(answer)
        else:
            sent.waiter.set_result(answer)


@dataclass(eq=False, slots=True)
class _Sent:
    """A write under way: its first `known` events are known to the program. `waiter` is told what became of it, or
    else of the write that is to `blame` that these are sent again alone."""

    appender: Appender
    append: Append
    known: int
    waiter: asyncio.Future[Answer] | None
    blame: Failure | Exception | None = None

    def done(self) -> bool:
        """What was committed is taken in, whoever stopped waiting for it."""
        return False

    def set_result(self, outcome: Outcome, /) -> None:
        self.appender.written(self, outcome)

    def set_exception(self, error: Exception, /) -> None:
        self.appender.written(self, error)

    @property
    def joint(self) -> bool:
        """Whether known outcomes and something else share it."""
        rest = len(self.append.events) > self.known or self.append.children or self.append.then is not None
        return self.known > 0 and bool(rest)


def failed(refused: Refused) -> Failure:
    """Why a run stops whose write was refused."""
    return Failure(kind="Refused", message=refused.reason, code=refused.code)
