"""An execution is one worker's attempt at a run: the program's branches walk along the journal and add to it.

Theory of operation. Every branch is a task of its own. When nothing is active (see waits.py) the run stands still,
and the execution makes its one *move*: park the run on its waits, or hand it over (drain), or undo and end it
(cancel), or stop it. After the move the execution is sealed: kernel calls from unwinding code are refused and the
tasks dropped. Until then a call that may not go on simply does not return: a wait never raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, NoReturn, assert_never

from watership.durable.branch import (
    UNWIND_SECONDS,
    Branch,
    Branches,
    BranchTask,
    current_branch,
    current_step,
    here,
)
from watership.durable.clock import Clock
from watership.durable.codec import encode
from watership.durable.committer import Committer
from watership.durable.events import AnyEvent, Failure
from watership.durable.ids import EntryId, Key, NewId, RunId, SignalId
from watership.durable.journal import Journal
from watership.durable.keys import join, keyed
from watership.durable.lease import Lease
from watership.durable.ports import Observer, Runs
from watership.durable.program import (
    Diverged,
    KeyUsedTwice,
    Nested,
    Program,
    Sealed,
    StepFailed,
    Unbranched,
    failure_of,
)
from watership.durable.run import Run, Signal, Waiting, answer_signal
from watership.durable.states import RunState
from watership.durable.waits import Activity, Waits
from watership.durable.writes import (
    Append,
    ClaimedRun,
    Deliver,
    Done,
    Duplicate,
    Finish,
    Outcome,
    Park,
    Refused,
    Stop,
    Submit,
    Then,
    WriteFenced,
    Yield,
)
from watership.errors import Unavailable, Unencodable

__all__ = [
    "Branch",
    "BranchTask",
    "Call",
    "Compensation",
    "Ending",
    "Execution",
    "Mode",
    "current_branch",
    "current_step",
    "here",
]

SETTLE_SECONDS = 0.02
"""How long a run with a foreign loop inside must stand still before it is believed to: the loop may be between
two calls. Only promptness hangs on it: a call that comes later finds the run sealed, and replay makes it again."""

UNDO_PATH = "@on_cancel"


class Mode(Enum):
    """What the execution is about once it stands still."""

    RUN = "run"  # park
    DRAIN = "drain"  # hand over
    CANCEL = "cancel"  # compensate, then end
    UNDO = "undo"  # compensations are running
    CARRY_ON = "carry on"  # end, with a successor
    STOP = "stop"  # a person must look
    LOST = "lost"  # somebody else owns the run now: touch nothing


class Ending(Enum):
    """How the execution left the run."""

    PARKED = "parked"
    YIELDED = "yielded"
    ENDED = "ended"
    STOPPED = "stopped"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Call:
    """A kernel call that was let in: where it is, and whether its branch's own task makes it."""

    branch: Branch
    key: Key
    own: bool


@dataclass(frozen=True, slots=True)
class Compensation:
    """What undoes a completed step when the run is cancelled. `position` is the step's in the journal."""

    position: int
    undo: Callable[[], Awaitable[object]]


class Execution:
    """Runs `claimed` until it ends, parks, is handed over or is lost."""

    def __init__(
        self,
        claimed: ClaimedRun,
        program: Program,
        *,
        committer: Committer,
        runs: Runs,
        clock: Clock,
        lease: Lease,
        confirm_lease: Callable[[RunId], Awaitable[bool]],
        new_id: NewId,
        observer: Observer,
    ) -> None:
        self.run_row: Run = claimed.run
        self.journal = self.fold(claimed.events)
        self.clock = clock
        self.observer = observer
        self.mode = Mode.RUN
        self.compensations: dict[Key, Compensation] = {}
        self._program = program
        self._committer = committer
        self._runs = runs
        self._lease = lease
        self._confirm_lease = confirm_lease
        self._new_id = new_id
        self._inbox: list[Signal] = [s for s in claimed.inbox if s.id not in self.journal.taken]
        self._seen = claimed.run.inbox
        self._used: set[Key] = set()
        self._changed = asyncio.Event()
        self.waits = Waits(self._changed)
        self.branches = Branches(self, self.waits.count)
        self._root: BranchTask
        self._nudged = False
        self._parking: asyncio.Event | None = None
        self._bodies: dict[asyncio.Task[Any], None] = {}
        self._failure: Failure | None = None
        self._successor: Submit | None = None
        if claimed.run.cancel_requested:
            self.mode = Mode.CANCEL

    @property
    def run_id(self) -> RunId:
        return self.run_row.id

    def fold(self, events: Iterable[AnyEvent]) -> Journal:
        return Journal(events)

    # --- the main loop ----------------------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Execute until the one move is made."""
        self._root = self.branches.open("", self._program.call(self.run_row.input))
        try:
            while True:
                self._changed.clear()
                ending = await self._look()
                if ending is not None:
                    return ending
                await self._until_something_changes()
        finally:
            await self._leave_nothing_behind()

    async def _leave_nothing_behind(self) -> None:
        bodies = tuple(self._bodies)
        for body in bodies:
            body.cancel()
        await self.branches.drop_all()
        if bodies:
            await asyncio.wait(bodies, timeout=UNWIND_SECONDS)

    async def _look(self) -> Ending | None:
        """The move that this moment asks for, made; None to go on."""
        if self.mode is Mode.LOST:
            return Ending.LOST
        if self._nudged:
            self._nudged = False
            await self._read_inbox()
        self.waits.fire(self.clock.now())
        if self._root.task.done() and self.mode is not Mode.STOP and not self.waits.active:
            return await self._finish(self._root)
        if self._stands_still() and await self._settled():
            return await self._move()
        return None

    def _stands_still(self) -> bool:
        return self.waits.active == 0 and (self.mode not in (Mode.RUN, Mode.UNDO) or len(self.waits) > 0)

    async def _settled(self) -> bool:
        if not self.waits.hosting:
            return True
        before = self.waits.stirred
        await self.clock.sleep(SETTLE_SECONDS)
        return self.waits.stirred == before and self._stands_still()

    async def _until_something_changes(self) -> None:
        """Wait for a change, or for the next timer."""
        due = self.waits.next_due()
        if due is None:
            await self._changed.wait()
            return
        seconds = max(0.0, (due - self.clock.now()).total_seconds())
        timer = asyncio.ensure_future(self.clock.sleep(seconds))
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({timer, change}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            change.cancel()
            await asyncio.gather(timer, change, return_exceptions=True)

    # --- the moves --------------------------------------------------------------------------------------------

    async def _move(self) -> Ending | None:
        match self.mode:
            case Mode.RUN | Mode.UNDO:
                return await self._park()
            case Mode.DRAIN:
                return await self._leave(Yield(), Ending.YIELDED)
            case Mode.STOP:
                assert self._failure is not None
                return await self._leave(Stop(failure=self._failure), Ending.STOPPED)
            case Mode.CARRY_ON:
                assert self._successor is not None
                end = Finish(state=RunState.SUCCEEDED, successor=self._successor)
                return await self._leave(end, Ending.ENDED)
            case Mode.CANCEL:
                await self._begin_to_undo()
                return None
            case Mode.LOST:
                return Ending.LOST
            case _:
                assert_never(self.mode)

    async def _park(self) -> Ending | None:
        """Park on the waits; None when a signal came in between, which is then delivered."""
        waits = self.waits.infos()
        then = Park(
            wake_at=self.waits.next_due(),
            seen=self._seen,
            in_doubt=any(info.kind == "answer" for info in waits),
            cancelling=self.mode is Mode.UNDO,
            waits=waits,
        )
        before = self.waits.stirred
        self._parking = asyncio.Event()
        outcome = await self._write(then=then)
        if outcome is None:
            return Ending.LOST
        if isinstance(outcome, Refused):
            await self._read_inbox()
            self._parking.set()
            self._parking = None
            return None
        if self.waits.stirred != before:
            # A foreign loop called while the run was being parked: somebody must come back for that call.
            await self._committer.write(
                Deliver(signal_id=SignalId(f"wake:{self._new_id()}"), run_id=self.run_id, name="wake")
            )
        self.observer.note("run parked", run_id=self.run_id, wake_at=then.wake_at, waits=len(waits))
        return Ending.PARKED

    async def _leave(self, then: Then, ending: Ending) -> Ending:
        outcome = await self._write(then=then)
        if outcome is None:
            return Ending.LOST
        if isinstance(outcome, Refused):
            self._failure = Failure(kind="Refused", message=outcome.reason, code=outcome.code)
            return await self._leave(Stop(failure=self._failure), Ending.STOPPED)
        self.observer.note(f"run {ending.value}", run_id=self.run_id)
        return ending

    async def _finish(self, root: BranchTask) -> Ending:
        """The program returned or raised: that is the run's end."""
        if self.mode is Mode.UNDO:
            return await self._leave(_cancelled(root.error), Ending.ENDED)
        if root.error is None:
            try:
                result = encode(root.value, "the program's result")
            except Unencodable as error:
                root.error = error
            else:
                return await self._leave(Finish(state=RunState.SUCCEEDED, result=result), Ending.ENDED)
        assert root.error is not None
        end = Finish(state=RunState.FAILED, failure=failure_of(root.error))
        return await self._leave(end, Ending.ENDED)

    async def _begin_to_undo(self) -> None:
        """Drop the program and undo its completed steps, last one first, each as a step of its own."""
        await self.branches.drop_all()
        self.mode = Mode.UNDO
        undo = sorted(self.compensations.values(), key=lambda each: -each.position)
        self._root = self.branches.open(UNDO_PATH, self._undo(undo))

    async def _undo(self, compensations: Sequence[Compensation]) -> None:
        """One that fails does not keep the others from being made; the first failure is told at the end."""
        failed: list[Exception] = []
        for each in compensations:
            try:
                await each.undo()
            except StepFailed as error:
                failed.append(error)
        if failed:
            raise failed[0]

    # --- told from outside ------------------------------------------------------------------------------------

    def nudge(self) -> None:
        """The run's inbox may have something new."""
        self._nudged = True
        self._changed.set()

    def drain(self) -> None:
        """Begin nothing new, and hand the run over once it stands still."""
        if self.mode in (Mode.RUN, Mode.CANCEL):
            self._become(Mode.DRAIN)

    def cancel(self) -> None:
        """Begin nothing new, undo, and end."""
        if self.mode is Mode.RUN:
            self._become(Mode.CANCEL)

    def lose(self) -> None:
        """The run has another owner: write nothing more."""
        self._become(Mode.LOST)

    async def hand_over_now(self) -> None:
        """The drain's time is up: drop what runs and give the run back as its journal stands."""
        if self.mode is Mode.LOST:
            return
        self._become(Mode.LOST)
        entry = EntryId(self._new_id())
        give_back = Append(entry_id=entry, run_id=self.run_id, epoch=self.run_row.epoch, then=Yield())
        await self._committer.write(give_back)
        self.observer.note("run handed over in the middle of a step", run_id=self.run_id)

    def _become(self, mode: Mode) -> None:
        self.mode = mode
        self._changed.set()

    async def _read_inbox(self) -> None:
        """Take in what came since, and give it to whoever waits for it."""
        row = await self._runs.get(self.run_id)
        if row is None or row.epoch != self.run_row.epoch:
            self.lose()
            return
        for signal in await self._runs.inbox(self.run_id, after=self._seen):
            self._seen = signal.number
            self._inbox.append(signal)
        self._hand_out()
        if row.cancel_requested:
            self.cancel()

    def _hand_out(self) -> None:
        """Give what is in the inbox to whoever waits for it."""
        for wait in self.waits.pending():
            if wait.info.kind in ("signal", "child"):
                signal = self.take_signal(wait.info.name, wait.info.key)
                if signal is not None:
                    self.waits.wake(wait, signal)

    # --- for the kernel's calls -------------------------------------------------------------------------------

    async def admit(
        self, call: str, unit: str, separator: str, key: str | None, *, leaf: bool = True
    ) -> Call:
        """Let a kernel call in: give it its key, or refuse it (Nested, Sealed, Unbranched, KeyUsedTwice)."""
        branch = here(call)
        step = current_step.get()
        if step is not None:
            raise Nested(call, step)
        if branch.sealed:
            raise Sealed(call)
        own = asyncio.current_task() is branch.task
        if key is not None:
            full = join(branch.path, keyed(key))
        elif own:
            name = branch.unit(unit, separator)
            full = join(branch.path, name)
            recorded = self.journal.sequences.reach(branch.path, name, leaf=leaf)
            if recorded is not None:
                await self.diverge(join(branch.path, recorded), "this call", repr(str(full)))
        else:
            raise Unbranched(call, branch.path)
        if full in self._used:
            raise KeyUsedTwice(full)
        self._used.add(full)
        self.waits.stirred += 1
        return Call(branch, full, own)

    def active(self, call: Call) -> Activity:
        """`with execution.active(call):` while a call is being answered. A branch's own task counts already."""
        return Activity(self.waits, 0 if call.own else 1)

    async def join(self, call: Call, until: Waiting | None = None) -> Any:
        """Stay pending until a branch of `call` wakes it by key, or `until` is due (None then)."""
        return await (self.waits.join(call.key) if until is None else self.waits.wait(until))

    async def may_go_on(self) -> None:
        """Return only if new work may begin now: not while draining, cancelling, stopping, and not without lease."""
        while True:
            if self._parking is not None:
                await self._parking.wait()
            if self.mode not in (Mode.RUN, Mode.UNDO):
                await self.waits.halt()
            if self._lease.holds():
                return
            await self.still_ours()

    async def still_ours(self) -> None:
        """Return only while the run is certainly ours; where the lease ran out the store is asked."""
        while self.mode is Mode.LOST or not self._lease.holds():
            if self.mode is Mode.LOST or not await self._confirm_lease(self.run_id):
                self.lose()
                await self.waits.halt()

    async def nothing_skipped(self, path: str, end: str) -> None:
        """A branch comes to its end: the journal must not hold more of it. Else stop the run, and do not return."""
        skipped = self.journal.sequences.expected(path)
        if skipped is not None:
            await self.diverge(join(path, skipped), "this call", end)

    async def diverge(self, key: Key, recorded: str, asked: str) -> NoReturn:
        """The program is not the one that wrote the journal: stop the run; the call does not return."""
        self._stop(failure_of(Diverged(key, recorded, asked)))
        await self.waits.halt()

    def _stop(self, failure: Failure) -> None:
        if self.mode is not Mode.LOST:
            self._failure = self._failure or failure
            self._become(Mode.STOP)

    def carry_on(self, successor: Submit) -> None:
        self._successor = successor
        self._become(Mode.CARRY_ON)

    def take_signal(self, name: str, key: Key) -> Signal | None:
        """The oldest signal of this name, or addressed to this wait, that nothing consumed yet; now the caller's."""
        for index, signal in enumerate(self._inbox):
            if signal.name in (name, answer_signal(key)):
                return self._inbox.pop(index)
        return None

    def give_back(self, signal: Signal) -> None:
        """The branch that was to consume a signal was dropped before it could: it is there for others."""
        self._inbox = sorted([*self._inbox, signal], key=lambda each: each.number)
        self._hand_out()

    async def append(self, *events: AnyEvent, children: tuple[Submit, ...] = ()) -> None:
        """Commit events. Does not return if the run is no longer ours or its journal is full."""
        outcome = await self._write(events, children)
        if outcome is None:
            await self.waits.halt()
        if isinstance(outcome, Refused):
            self._stop(Failure(kind="Refused", message=outcome.reason, code=outcome.code))
            await self.waits.halt()

    async def _write(
        self, events: Sequence[AnyEvent] = (), children: tuple[Submit, ...] = (), then: Then | None = None
    ) -> Done | Refused | None:
        """One append; None when the run was lost. What was committed is taken in whoever stops waiting for it."""
        if self.mode is Mode.LOST:
            return None
        append = Append(
            entry_id=EntryId(self._new_id()),
            run_id=self.run_id,
            epoch=self.run_row.epoch,
            events=tuple(events),
            children=children,
            then=then,
        )
        try:
            written = self._committer.enqueue(append)
            written.add_done_callback(partial(self._written, append))
            if then is None:  # a move is not active: it is made because nothing is
                self.waits.count(+1)
            outcome = await asyncio.shield(written)
        except Unavailable as error:
            self.observer.note("run lost: the store does not answer", run_id=self.run_id, reason=str(error))
            self.lose()
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

    def _written(self, append: Append, written: asyncio.Future[Outcome]) -> None:
        """The outcome of an append is there; called before whoever waits for it, in the order of commits."""
        if append.then is None:
            self.waits.count(-1)
        if written.cancelled() or written.exception() is not None:
            return
        match written.result():
            case Done() | Duplicate():
                for event in append.events:
                    self.journal.apply(event)
            case WriteFenced(current=current):
                self.observer.note("run fenced", run_id=self.run_id, epoch=append.epoch, current=current)
                self.lose()
            case _:
                pass

    # --- branches and bodies ----------------------------------------------------------------------------------

    async def drop(self, paths: Sequence[str]) -> None:
        """End branches that are not needed any more (the losers of a race), with all that is below them.

        Their compensations go with them: a replay does not even begin these branches.
        """
        await self.branches.drop(paths)
        for path in paths:
            for key in [key for key in self.compensations if key.startswith(path + "/")]:
                del self.compensations[key]

    def keep(self, body: asyncio.Task[Any]) -> None:
        """A step body that goes on even if its branch is dropped, because it must not be left half done."""
        self._bodies[body] = None
        body.add_done_callback(lambda _: self._bodies.pop(body))

    def outlives(self, body: asyncio.Task[Any]) -> None:
        """The branch that waited for the body was dropped: the run does not stand still before the body ends."""
        if not body.done():
            self.waits.count(+1)
            body.add_done_callback(lambda _: self.waits.count(-1))


def _cancelled(error: Exception | None) -> Finish:
    """How a cancelled run ends: with what went wrong in undoing it, if anything did."""
    failure = Failure(kind="Cancelled", message="The run was cancelled.")
    if error is not None:
        failure = Failure(kind="CompensationFailed", message=str(error))
    return Finish(state=RunState.CANCELLED, failure=failure)
