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
from types import MappingProxyType
from typing import Any, assert_never

from watership.durable.admission import Admission, ConfirmLease
from watership.durable.appending import Appender
from watership.durable.branch import UNWIND_SECONDS, Branches, BranchTask, words_of
from watership.durable.clock import Clock
from watership.durable.codec import encode
from watership.durable.committer import Committer
from watership.durable.counters import Cap
from watership.durable.events import AnyEvent, Failure
from watership.durable.ids import Key, NewId, RunId, SignalId
from watership.durable.inbox import Inbox
from watership.durable.journal import Journal
from watership.durable.lease import Lease
from watership.durable.modes import Course, Mode
from watership.durable.ports import Observer, Runs
from watership.durable.program import InDoubt, Program, Programs, StepFailed, failure_of
from watership.durable.run import Run, expiry
from watership.durable.states import RunState
from watership.durable.waits import Waits
from watership.durable.writes import ClaimedRun, Deliver, Finish, Park, Stop, Submit, Then, Yield
from watership.errors import Unencodable

SETTLE_SECONDS = 0.02
"""How long a run with a foreign loop inside must stand still before it is believed to: the loop may be between
two calls. Only promptness hangs on it: a call that comes later finds the run sealed, and replay makes it again."""

UNDO_PATH = "@on_cancel"


class Ending(Enum):
    """How the execution left the run."""

    PARKED = "parked"
    YIELDED = "yielded"
    ENDED = "ended"
    STOPPED = "stopped"
    LOST = "lost"


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
        confirm_lease: ConfirmLease,
        new_id: NewId,
        observer: Observer,
        programs: Programs = MappingProxyType({}),
        journal: Callable[[Iterable[AnyEvent]], Journal] = Journal,
        waits: Callable[[asyncio.Event], Waits] = Waits,
        admission: type[Admission] = Admission,
    ) -> None:
        """`programs`: what is known of those that children may be of.

        `journal`, `waits` and `admission` are seams: for a kernel with a part of another make.
        """
        row = claimed.run
        self.run_row: Run = row
        self.caps: tuple[Cap, ...] = row.caps + program.caps(row)
        self.clock = clock
        self.runs = runs
        self.observer = observer
        self.programs = programs
        self._changed = asyncio.Event()
        self.course = Course(self._changed)
        self.journal = journal(claimed.events)
        self.waits = waits(self._changed)
        self.branches = Branches(self, self.waits.count)
        unread = (signal for signal in claimed.inbox if signal.id not in self.journal.taken)
        self.inbox = Inbox(row, unread, runs, self.waits)
        self.admission = admission(
            run_id=row.id,
            journal=self.journal,
            course=self.course,
            waits=self.waits,
            lease=lease,
            confirm=confirm_lease,
        )
        self.appender = Appender(
            row=row,
            journal=self.journal,
            course=self.course,
            waits=self.waits,
            committer=committer,
            new_id=new_id,
            observer=observer,
        )
        self.compensations: dict[Key, Compensation] = {}
        self._program = program
        self._committer = committer
        self._new_id = new_id
        self._root: BranchTask
        self._nudged = False
        self._bodies: dict[asyncio.Task[Any], None] = {}
        self._successor: Submit | None = None
        self._last_seen = row
        """The run's row as it was last read."""
        if row.cancel_requested:
            self.cancel()

    @property
    def run_id(self) -> RunId:
        return self.run_row.id

    @property
    def in_doubt(self) -> InDoubt:
        """What the program says of its steps in doubt."""
        return self._program.in_doubt

    # --- the main loop ----------------------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Execute until the one move is made."""
        self._root = self.branches.open("", self._program.call(self.run_row.input), self.journal.learned)
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
        if self.course.mode is Mode.LOST:
            return Ending.LOST
        if self._nudged:
            self._nudged = False
            await self._read_inbox()
        self.waits.fire(self.clock.now())
        if self._root.task.done() and self.course.mode is not Mode.STOP and not self.waits.active:
            return await self._finish(self._root)
        if self._stands_still() and await self._settled():
            return await self._move()
        return None

    def _stands_still(self) -> bool:
        return self.waits.active == 0 and (
            self.course.mode not in (Mode.RUN, Mode.UNDO) or len(self.waits) > 0
        )

    async def _settled(self) -> bool:
        if not self.waits.hosting:
            return True
        before = self.waits.stirred
        await self.clock.sleep(self.settle_seconds())
        return self.waits.stirred == before and self._stands_still()

    def settle_seconds(self) -> float:
        """How long the run must stand still now before it is believed to."""
        return SETTLE_SECONDS

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
        match self.course.mode:
            case Mode.RUN | Mode.UNDO:
                return await self._park()
            case Mode.DRAIN:
                return await self._leave(Yield(), Ending.YIELDED)
            case Mode.STOP:
                assert self.course.failure is not None
                return await self._leave(Stop(failure=self.course.failure), Ending.STOPPED)
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
                assert_never(self.course.mode)

    async def _park(self) -> Ending | None:
        """Park on the waits; None when a signal came in between, which is then delivered."""
        waits = self.waits.infos()
        then = Park(
            wake_at=self.waits.next_due(),
            seen=self.inbox.seen,
            in_doubt=any(info.kind == "answer" for info in waits),
            cancelling=self.course.mode is Mode.UNDO,
            waits=waits,
        )
        before = self.waits.stirred
        self.admission.parking = asyncio.Event()
        outcome = await self.appender.move(then)
        if outcome is None:
            return Ending.LOST
        if isinstance(outcome, Failure):
            await self._read_inbox()
            self.admission.parking.set()
            self.admission.parking = None
            return None
        if self.waits.stirred != before:
            # A foreign loop called while the run was being parked: somebody must come back for that call.
            await self._committer.write(
                Deliver(signal_id=SignalId(f"wake:{self._new_id()}"), run_id=self.run_id, name="wake")
            )
        self.observer.note("run parked", run_id=self.run_id, wake_at=then.wake_at, waits=len(waits))
        return Ending.PARKED

    async def _leave(self, then: Then, ending: Ending) -> Ending:
        outcome = await self.appender.move(then)
        if outcome is None:
            return Ending.LOST
        if isinstance(outcome, Failure):
            return await self._leave(Stop(failure=outcome), Ending.STOPPED)
        self.observer.note(f"run {ending.value}", run_id=self.run_id)
        return ending

    async def _finish(self, root: BranchTask) -> Ending:
        """The program returned or raised: that is the run's end."""
        if self.course.mode is Mode.UNDO:
            return await self._leave(_asked_to_end(self._last_seen, root.error), Ending.ENDED)
        if root.error is None:
            try:
                result = encode(root.value, "the program's result")
            except Unencodable as error:
                root.error = error
            else:
                done = Finish(state=RunState.SUCCEEDED, result=result, learned=words_of(root.branch))
                return await self._leave(done, Ending.ENDED)
        assert root.error is not None
        end = Finish(state=RunState.FAILED, failure=failure_of(root.error), learned=words_of(root.branch))
        ending = await self._leave(end, Ending.ENDED)
        if ending is Ending.ENDED:
            self.observer.note(
                "run failed", run_id=self.run_id, program=self.run_row.program, error=root.error
            )
        return ending

    async def _begin_to_undo(self) -> None:
        """Drop the program and undo its completed steps, last one first, each as a step of its own."""
        await self.branches.drop_all()
        if self.course.mode in (Mode.LOST, Mode.STOP):  # unwinding may have taken long
            return
        self.course.become(Mode.UNDO)
        undo = sorted(self.compensations.values(), key=lambda each: -each.position)
        self._root = self.branches.open(UNDO_PATH, self._undo(undo), frozenset())

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
        if self.course.mode in (Mode.RUN, Mode.CANCEL):
            self.course.become(Mode.DRAIN)

    def cancel(self) -> None:
        """Begin nothing new, undo, and end."""
        if self.course.mode is Mode.RUN:
            self.course.become(Mode.CANCEL)

    def lose(self) -> None:
        """The run has another owner: write nothing more."""
        self.course.lose()

    async def hand_over_now(self) -> None:
        """The drain's time is up: drop what runs and give the run back as its journal stands."""
        if self.course.mode is Mode.LOST:
            return
        self.course.lose()
        if await self.appender.give_back():
            self.observer.note("run handed over in the middle of a step", run_id=self.run_id)

    async def _read_inbox(self) -> None:
        row = await self.inbox.read()
        if row is None:
            self.lose()
        elif row.cancel_requested:
            self._last_seen = row
            self.cancel()

    def carry_on(self, successor: Submit) -> None:
        self._successor = successor
        self.course.become(Mode.CARRY_ON)

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


def _asked_to_end(row: Run, error: Exception | None) -> Finish:
    """How a run ends that was asked to: with what went wrong in undoing it, if anything did."""
    state = RunState.FAILED if row.expired else RunState.CANCELLED
    failure = expiry(row) if row.expired else Failure(kind="Cancelled", message="The run was cancelled.")
    if error is not None:
        failure = Failure(kind="CompensationFailed", message=str(error))
    return Finish(state=state, failure=failure)
