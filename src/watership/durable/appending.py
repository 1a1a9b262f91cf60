"""Appending: what happens in a run is committed under its epoch; an outcome goes out with what follows it.

The program may know an outcome before it is committed (`know`, known.py); but no body is entered, no run parks, ends
or is handed over, and no child goes out before it is. So an outcome waits a moment for the write that comes after it,
and they share one. While anything else of the run is active an outcome is committed before it is known: hence at most
one write with known outcomes is under way. What is appended meanwhile waits behind it, which may be refused, or be
sent again alone: so the journal in the store keeps the order of the one in memory, and holds nothing without its cause.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final, NamedTuple, assert_never

from watership.durable.committer import Committer
from watership.durable.counters import OVER_CAP, Charge
from watership.durable.events import AnyEvent, Failure
from watership.durable.ids import EntryId, NewId
from watership.durable.journal import Journal
from watership.durable.known import Known, Phase
from watership.durable.modes import Course, Mode
from watership.durable.ports import Observer
from watership.durable.run import Run
from watership.durable.sequel import Again, Broken, Cargo, Declined, Kept, Lost, Raised, Sequel, sequel
from watership.durable.waits import Waits
from watership.durable.writes import Append, Done, Outcome, Submit, Then, WriteFenced, Yield
from watership.errors import Unavailable

Fate = Done | Failure | None
"""What became of a write: done; not done, and why; or None: the run is no longer ours."""


class Body(NamedTuple):
    """What a write of a run has to say, beside what was known before it."""

    events: tuple[AnyEvent, ...] = ()
    children: tuple[Submit, ...] = ()
    charges: tuple[Charge, ...] = ()
    dropped: tuple[str, ...] = ()
    then: Then | None = None


NOTHING: Final = Body()


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
    _known: Known = field(init=False)
    _behind: list[_Sent] = field(default_factory=list, init=False)
    """Sent while known outcomes were under way: they go out, or fall, with the landing."""

    def __post_init__(self) -> None:
        self._known = Known(self._send_known)

    # --- for calls --------------------------------------------------------------------------------------------

    async def append(
        self, *events: AnyEvent, children: tuple[Submit, ...] = (), dropped: tuple[str, ...] = ()
    ) -> None:
        """Commit events. Does not return if the run is no longer ours, or was stopped because its journal is full."""
        fate = await self._commit(Body(events, children, dropped=dropped))
        if fate is not None:
            self.course.stop(fate)
            await self.waits.halt()

    async def charge(self, event: AnyEvent, charges: tuple[Charge, ...]) -> Failure | None:
        """Commit an event with its charges; why nothing was committed if they exceed a cap. Else as `append`."""
        fate = await self._commit(Body((event,), charges=charges))
        if fate is not None and fate.code != OVER_CAP:
            self.course.stop(fate)
            await self.waits.halt()
        return fate

    async def _commit(self, body: Body) -> Failure | None:
        """Why the store refuses it, or None once it is committed. Does not return if the run is no longer ours."""
        if self._known.phase is Phase.BROKEN:
            await self.waits.halt()
        fate = await self._write(body)
        if fate is None:
            await self.waits.halt()
        return fate if isinstance(fate, Failure) else None

    async def know(self, outcome: AnyEvent) -> None:
        """Let the program know an outcome at once, and commit it with what follows. Of things that a replay may do
        again: what was known to nobody but the program."""
        alone = self.waits.active <= 1 and self._known.phase is not Phase.FLYING
        if not alone or self.course.mode in (Mode.STOP, Mode.LOST):
            await self.append(outcome)
            return
        self.journal.apply(outcome)
        self._known.hold(outcome)

    async def settle(self) -> None:
        """Return once all that the program knows is committed: a body must not be entered before."""
        self._send_known()
        if not await self._known.landed():
            await self.waits.halt()

    # --- for the loop -----------------------------------------------------------------------------------------

    async def move(self, then: Then) -> Fate:
        """Move the run on, or answer why nothing of the move was written. Never halts."""
        return await self._write(Body(then=then))

    async def give_back(self) -> bool:
        """Give the run back as its journal stands, lost or not, whatever is under way; whether that was written."""
        fate = await self._ask(Body(then=Yield()))
        if isinstance(fate, Failure):  # of an outcome that went with it
            fate = await self._ask(Body(then=Yield()))
        return isinstance(fate, Done)

    # --- out --------------------------------------------------------------------------------------------------

    def _send_known(self) -> None:
        if self._known.phase is Phase.HELD and self.course.mode is not Mode.LOST:
            self._send(NOTHING)  # whom it concerns waits for its landing

    async def _write(self, body: Body) -> Fate:
        return None if self.course.mode is Mode.LOST else await self._ask(body)

    def _ask(self, body: Body) -> asyncio.Future[Fate]:
        """Send `body` with what is known before it. Whoever stops waiting for the write does not stop it."""
        waiter: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        self._send(body, waiter)
        return waiter

    def _send(self, body: Body, waiter: asyncio.Future[Fate] | None = None) -> None:
        known = self._known.take()
        sent = _Sent(self, self._entry(known, body), len(known), waiter)
        if not known and self._known.phase is Phase.FLYING and sent.active:  # a run is given back at once
            self.waits.count(+1)
            self._behind.append(sent)
        else:
            self._enqueue(sent)

    def _entry(self, known: tuple[AnyEvent, ...], body: Body) -> Append:
        return Append(
            entry_id=EntryId(self.new_id()),
            run_id=self.row.id,
            epoch=self.row.epoch,
            events=known + body.events,
            children=body.children,
            charges=body.charges,
            dropped=body.dropped,
            then=body.then,
        )

    def _enqueue(self, sent: _Sent) -> None:
        if sent.active:
            self.waits.count(+1)
        try:
            self.committer.send(sent.append, sent)
        except Unavailable as error:
            self.written(sent, error)

    # --- back -------------------------------------------------------------------------------------------------

    def written(self, sent: _Sent, outcome: Outcome | Exception) -> None:
        """What became of a write; in the order of commits. It is taken in, then whoever waits is told."""
        self._follow(sent, sequel(outcome, sent.cargo))
        if sent.active:
            self.waits.count(-1)

    def _follow(self, sent: _Sent, follows: Sequel) -> None:
        match follows:
            case Kept():
                for event in sent.append.events[sent.known :]:
                    self.journal.apply(event)
                if sent.known:
                    self._land(Done())
                sent.tell(sent.blame or Done())
            case Again(blame=blame):
                alone = self._entry(sent.append.events[: sent.known], NOTHING)
                self._enqueue(_Sent(self, alone, sent.known, sent.waiter, blame))
            case Lost(reason=reason):
                self._lose(reason)
                if sent.known:
                    self._land(None)
                sent.tell(None)
            case Broken(failure=failure):
                self.course.stop(failure)
                self._land(failure)
                sent.tell(failure)
            case Declined(failure=failure):
                sent.tell(failure)
            case Raised(error=error):
                sent.tell(error)
            case _:
                assert_never(follows)

    def _land(self, fate: Fate) -> None:
        """Known outcomes have landed, and with them is decided what becomes of the writes behind them."""
        self._known.land(broken=isinstance(fate, Failure))
        behind, self._behind = self._behind, []
        for sent in behind:
            if isinstance(fate, Failure):
                sent.tell(fate)
            elif self.course.mode is Mode.LOST:
                sent.tell(None)
            else:
                self._enqueue(sent)
            self.waits.count(-1)

    def _lose(self, reason: WriteFenced | Unavailable) -> None:
        if isinstance(reason, WriteFenced):
            self.observer.note("run fenced", run_id=self.row.id, epoch=self.row.epoch, current=reason.current)
        else:  # whether it was written is unknown: whoever has the run next will see
            self.observer.note("run lost: the store does not answer", run_id=self.row.id, reason=str(reason))
        self.course.lose()


@dataclass(eq=False, slots=True)
class _Sent:
    """A write under way: its first `known` events are known to the program. `waiter` is told what became of it, or
    else of the write that is to `blame` that these are sent again alone."""

    appender: Appender
    append: Append
    known: int
    waiter: asyncio.Future[Fate] | None
    blame: Failure | Exception | None = None

    @property
    def active(self) -> bool:
        """Whether it counts as active. A move does not: it is made because nothing is."""
        return self.append.then is None

    @property
    def cargo(self) -> Cargo:
        if not self.known:
            return Cargo.OWN
        more = len(self.append.events) > self.known or self.append.children or self.append.then is not None
        return Cargo.JOINT if more else Cargo.KNOWN

    def tell(self, fate: Fate | Exception) -> None:
        """Let whoever waits know; perhaps nobody does, or not any more."""
        if self.waiter is None or self.waiter.done():
            return
        if isinstance(fate, Exception):
            self.waiter.set_exception(fate)
        else:
            self.waiter.set_result(fate)

    # --- for the committer ------------------------------------------------------------------------------------

    def done(self) -> bool:
        """What was committed is taken in, whoever stopped waiting for it."""
        return False

    def set_result(self, outcome: Outcome, /) -> None:
        self.appender.written(self, outcome)

    def set_exception(self, error: Exception, /) -> None:
        self.appender.written(self, error)
