"""An execution is one worker's attempt at a run: the program's branches walk along the journal and add to it.

Theory of operation. Every branch is a task of its own. The execution counts what is *active*: branches that are
not in a kernel wait, calls of other tasks that are being answered, step bodies. When nothing is active the run
stands still, and the execution makes its one *move*: park the run on its waits, or hand it over (drain), or undo
and end it (cancel), or stop it. After the move the execution is sealed: kernel calls from unwinding code are
refused and the tasks dropped. Until then a call that may not go on simply does not return: a wait never raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NoReturn, assert_never

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
    OutsideRun,
    Program,
    Sealed,
    Unbranched,
    failure_of,
)
from watership.durable.run import Run, Signal, Waiting, answer_signal
from watership.durable.states import RunState
from watership.durable.writes import (
    Append,
    ClaimedRun,
    Deliver,
    Done,
    Duplicate,
    Finish,
    Park,
    Refused,
    Stop,
    Submit,
    Then,
    WriteFenced,
    Yield,
)
from watership.errors import ProgramError, Unavailable, Unencodable

SETTLE_SECONDS = 0.02
"""How long a run with a foreign loop inside must stand still before it is believed to: the loop may be between
two calls. Only promptness hangs on it: a call that comes later finds the run sealed, and replay makes it again."""

UNWIND_SECONDS = 5.0
"""How long dropped tasks may take to unwind before the execution leaves them behind."""


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


@dataclass(eq=False, slots=True)
class Branch:
    """One line of a program's execution. `path` is its place, '' for the root."""

    path: str
    execution: Execution
    task: asyncio.Task[Any] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    sealed: bool = False

    def unit(self, name: str, separator: str) -> str:
        """The next unit of this name: `name/0`, then `name/1`; or `gather#0`."""
        number = self.counts.get(name, 0)
        self.counts[name] = number + 1
        return f"{name}{separator}{number}"


@dataclass(eq=False, slots=True)
class Wait:
    """A future that stays pending until what it waits for is there."""

    info: Waiting
    future: asyncio.Future[Any]


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


current_branch: ContextVar[Branch | None] = ContextVar("watership_branch", default=None)
current_step: ContextVar[Key | None] = ContextVar("watership_step", default=None)


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
        self.journal = Journal(claimed.events)
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
        self._waits: dict[Key, Wait] = {}
        self._joins: dict[Key, asyncio.Future[Any]] = {}
        self._used: set[Key] = set()
        self._branches: set[Branch] = set()
        self._root: BranchTask
        self._hosting = 0
        self._active = 0
        self._steps = 0
        self._changed = asyncio.Event()
        self._nudged = False
        self._parking: asyncio.Event | None = None
        self._bodies: set[asyncio.Task[Any]] = set()
        self._failure: Failure | None = None
        self._successor: Submit | None = None
        if claimed.run.cancel_requested:
            self.mode = Mode.CANCEL

    @property
    def run_id(self) -> RunId:
        return self.run_row.id

    # --- the main loop ----------------------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Execute until the one move is made."""
        self._root = self.open_branch("", self._program.call(self.run_row.input))
        try:
            while True:
                self._changed.clear()
                ending = await self._look()
                if ending is not None:
                    return ending
                await self._until_something_changes()
        finally:
            for body in self._bodies:
                body.cancel()
            await self._drop(tuple(self._branches))

    async def _look(self) -> Ending | None:
        """The move that this moment asks for, made; None to go on."""
        if self.mode is Mode.LOST:
            return Ending.LOST
        if self._nudged:
            self._nudged = False
            await self._read_inbox()
        self._fire_timers()
        if self._root.task.done() and self.mode is not Mode.STOP and not self._active:
            return await self._finish(self._root)
        if self._stands_still() and await self._settled():
            return await self._move()
        return None

    def _stands_still(self) -> bool:
        return self._active == 0 and (self.mode not in (Mode.RUN, Mode.UNDO) or bool(self._waits))

    async def _settled(self) -> bool:
        if not self._hosting:
            return True
        before = self._steps
        await self.clock.sleep(SETTLE_SECONDS)
        return self._steps == before and self._stands_still()

    async def _until_something_changes(self) -> None:
        """Wait for a change, or for the next timer."""
        due = self._next_due()
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

    def _fire_timers(self) -> None:
        now = self.clock.now()
        for wait in [w for w in self._waits.values() if w.info.due is not None and w.info.due <= now]:
            self.wake(wait, None)

    def _next_due(self) -> datetime | None:
        return min((w.info.due for w in self._waits.values() if w.info.due is not None), default=None)

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
        waits = tuple(wait.info for wait in self._waits.values())
        then = Park(
            wake_at=self._next_due(),
            seen=self._seen,
            in_doubt=any(info.kind == "answer" for info in waits),
            cancelling=self.mode is Mode.UNDO,
            waits=waits,
        )
        before = self._steps
        self._parking = asyncio.Event()
        outcome = await self._write(then=then)
        if outcome is None:
            return Ending.LOST
        if isinstance(outcome, Refused):
            await self._read_inbox()
            self._parking.set()
            self._parking = None
            return None
        if self._steps != before:
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
        if not root.ended:
            root.error = root.error or ProgramError("The program cancelled its own task.")
        if root.error is None:
            skipped = self.journal.sequences.expected("")
            if skipped is not None:
                failure = failure_of(Diverged(Key(skipped), "this call", "the program's end"))
                return await self._leave(Stop(failure=failure), Ending.STOPPED)
            try:
                result = encode(root.value, "the program's result")
            except Unencodable as error:
                root.error = error
            else:
                return await self._leave(Finish(state=RunState.SUCCEEDED, result=result), Ending.ENDED)
        end = Finish(state=RunState.FAILED, failure=failure_of(root.error))
        return await self._leave(end, Ending.ENDED)

    async def _begin_to_undo(self) -> None:
        """Drop the program and undo its completed steps, last one first, each as a step of its own."""
        await self._drop(tuple(self._branches))
        self.mode = Mode.UNDO
        undo = sorted(self.compensations.values(), key=lambda each: -each.position)
        self._root = self.open_branch(UNDO_PATH, self._undo(undo))

    async def _undo(self, compensations: Sequence[Compensation]) -> None:
        for each in compensations:
            await each.undo()

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
        for wait in tuple(self._waits.values()):
            if wait.info.kind in ("signal", "child"):
                signal_ = self.take_signal(wait.info.name, wait.info.key)
                if signal_ is not None:
                    self.wake(wait, signal_)
        if row.cancel_requested:
            self.cancel()

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
        self._steps += 1
        return Call(branch, full, own)

    def active(self, call: Call) -> Activity:
        """`with execution.active(call):` while a call is being answered. A branch's own task counts already."""
        return Activity(self, 0 if call.own else 1)

    def busy(self) -> Activity:
        """`with execution.busy():` around what must be over before the run can stand still."""
        return Activity(self, 1)

    async def wait(self, call: Call, info: Waiting) -> Any:
        """Stay pending until `wake`. Not active meanwhile."""
        wait = Wait(info, asyncio.get_running_loop().create_future())
        self._waits[info.key] = wait
        self.count(-1)
        if info.due is not None:
            self._changed.set()
        try:
            return await wait.future
        finally:
            if self._waits.get(info.key) is wait:
                del self._waits[info.key]
                self.count(+1)

    async def join(self, call: Call, until: Waiting | None = None) -> Any:
        """Stay pending until a branch of `call` wakes it by key, or `until` is due (None then).

        Without `until` it is no wait that people should see, nor one that the run could be parked on alone.
        """
        if until is not None:
            return await self.wait(call, until)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._joins[call.key] = future
        self.count(-1)
        try:
            return await future
        finally:
            if self._joins.pop(call.key, None) is not None:
                self.count(+1)

    def wake(self, wait: Wait, value: object) -> None:
        """Let a wait go on. It counts as active from this moment, before its task comes to run."""
        if self._waits.get(wait.info.key) is wait:
            del self._waits[wait.info.key]
            self.count(+1)
            wait.future.set_result(value)

    def wake_key(self, key: Key, value: object) -> None:
        """Like `wake`, by the wait's key; nothing if it does not wait (any more)."""
        wait, future = self._waits.get(key), self._joins.pop(key, None)
        if wait is not None:
            self.wake(wait, value)
        if future is not None:
            self.count(+1)
            future.set_result(value)

    async def halt(self) -> NoReturn:
        """Never return: the call may not go on, and waits do not raise."""
        self.count(-1)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.count(+1)
        raise AssertionError("a halted call cannot go on")

    async def may_go_on(self) -> None:
        """Return only if new work may begin now: not while draining, cancelling, stopping, and not without lease."""
        if self._parking is not None:
            await self._parking.wait()
        if self.mode not in (Mode.RUN, Mode.UNDO):
            await self.halt()
        while not self._lease.holds():
            if not await self._confirm_lease(self.run_id):
                self.lose()
                await self.halt()

    async def diverge(self, key: Key, recorded: str, asked: str) -> NoReturn:
        """The program is not the one that wrote the journal: stop the run; the call does not return."""
        self._stop(failure_of(Diverged(key, recorded, asked)))
        await self.halt()

    def _stop(self, failure: Failure) -> None:
        if self.mode is not Mode.LOST:
            self._failure = self._failure or failure
            self._become(Mode.STOP)

    def carry_on(self, successor: Submit) -> None:
        self._successor = successor
        self._become(Mode.CARRY_ON)

    def lease_holds(self) -> bool:
        return self._lease.holds()

    def take_signal(self, name: str, key: Key) -> Signal | None:
        """The oldest signal of this name, or addressed to this wait, that nothing consumed yet; now the caller's."""
        for index, signal in enumerate(self._inbox):
            if signal.name in (name, answer_signal(key)):
                return self._inbox.pop(index)
        return None

    async def append(self, *events: AnyEvent, children: tuple[Submit, ...] = ()) -> None:
        """Commit events. Does not return if the run is no longer ours or its journal is full."""
        with self.busy():
            outcome = await self._write(events, children)
        if outcome is None:
            await self.halt()
        if isinstance(outcome, Refused):
            self._stop(Failure(kind="Refused", message=outcome.reason, code=outcome.code))
            await self.halt()

    async def _write(
        self, events: Sequence[AnyEvent] = (), children: tuple[Submit, ...] = (), then: Then | None = None
    ) -> Done | Refused | None:
        """One append; None when the run was lost."""
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
            outcome = await self._committer.write(append)
        except Unavailable as error:
            self.observer.note("run lost: the store does not answer", run_id=self.run_id, reason=str(error))
            self.lose()
            return None
        match outcome:
            case Done() | Duplicate():
                for event in events:
                    self.journal.apply(event)
                return Done()
            case WriteFenced(current=current):
                self.observer.note("run fenced", run_id=self.run_id, epoch=append.epoch, current=current)
                self.lose()
                return None
            case Refused():
                return outcome
            case _:
                raise AssertionError(f"an append cannot come out as {outcome!r}")

    # --- branches and their counting --------------------------------------------------------------------------

    def open_branch(self, path: str, work: Awaitable[Any]) -> BranchTask:
        """Start a branch in a task of its own."""
        branch = Branch(path, self)
        self._branches.add(branch)
        self.count(+1)
        opened = BranchTask(branch)
        context = copy_context()
        context.run(current_branch.set, branch)
        context.run(current_step.set, None)
        opened.task = asyncio.get_running_loop().create_task(
            opened.live(work), name=f"{self.run_id} {path or 'root'}", context=context
        )
        branch.task = opened.task
        opened.task.add_done_callback(lambda _: self._branch_ended(opened))
        return opened

    def _branch_ended(self, opened: BranchTask) -> None:
        self._branches.discard(opened.branch)
        if opened.on_end is not None:
            opened.on_end()
        self.count(-1)

    @contextmanager
    def sheltering(self, branch: Branch) -> Iterator[None]:
        """Know of a branch that another loop's task lives, so that it is sealed with the others."""
        self._branches.add(branch)
        try:
            yield
        finally:
            self._branches.discard(branch)

    def keep(self, body: asyncio.Task[Any]) -> None:
        """A step body that goes on even if its branch is dropped, because it must not be left half done."""
        self._bodies.add(body)
        body.add_done_callback(self._bodies.discard)

    async def drop(self, branches: Sequence[Branch]) -> None:
        """End branches that are not needed any more (the losers of a race), with all that is below them."""
        paths = tuple(branch.path for branch in branches)
        below = [
            b for b in self._branches if b in branches or b.path.startswith(tuple(p + "/" for p in paths))
        ]
        await self._drop(below)

    async def _drop(self, branches: Sequence[Branch]) -> None:
        tasks = [branch.task for branch in branches if branch.task is not None and not branch.task.done()]
        for branch in branches:
            branch.sealed = True
        for task in tasks:
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=UNWIND_SECONDS)
            for task in left:
                self.observer.note("task does not unwind", run_id=self.run_id, task=task.get_name())

    def count(self, change: int) -> None:
        self._active += change
        self._steps += 1
        if self._active == 0:
            self._changed.set()

    def host(self, change: int) -> None:
        """The current branch only waits for keyed calls of other tasks (+1), or no longer (-1)."""
        self._hosting += change
        self.count(-change)


UNDO_PATH = "@on_cancel"


def _cancelled(error: Exception | None) -> Finish:
    """How a cancelled run ends: with what went wrong in undoing it, if anything did."""
    failure = Failure(kind="Cancelled", message="The run was cancelled.")
    if error is not None:
        failure = Failure(kind="CompensationFailed", message=str(error))
    return Finish(state=RunState.CANCELLED, failure=failure)


class Activity:
    """Counts something as active for the length of a `with` block."""

    def __init__(self, execution: Execution, amount: int) -> None:
        self._execution = execution
        self._amount = amount

    def __enter__(self) -> None:
        self._execution.count(self._amount)

    def __exit__(self, *_: object) -> None:
        self._execution.count(-self._amount)


class BranchTask:
    """A branch with the task that lives it; `value` or `error` once it ended by itself."""

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.task: asyncio.Task[None]
        self.value: Any = None
        self.error: Exception | None = None
        self.ended = False
        self.on_end: Callable[[], None] | None = None

    async def live(self, work: Awaitable[Any]) -> None:
        execution = self.branch.execution
        try:
            self.value = await work
        except Sealed:
            return
        except Exception as error:  # noqa: BLE001 - a program may raise anything; it becomes the branch's outcome
            self.error = error
        if self.branch.path and self.error is None:
            skipped = execution.journal.sequences.expected(self.branch.path)
            if skipped is not None and execution.mode is Mode.RUN:
                await execution.diverge(join(self.branch.path, skipped), "this call", "the branch's end")
        self.ended = True


def here(call: str) -> Branch:
    """The branch that the current task belongs to; OutsideRun if none."""
    branch = current_branch.get()
    if branch is None:
        raise OutsideRun(call)
    return branch
