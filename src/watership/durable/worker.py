"""A worker claims runs of one deployment and pool, executes them, keeps their leases, and drains."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import msgspec

from watership.durable.burial import Burial
from watership.durable.clock import Clock
from watership.durable.committer import Committer
from watership.durable.deadlines import Deadlines
from watership.durable.events import Failure
from watership.durable.execution import Execution
from watership.durable.holdings import Held, Holdings
from watership.durable.ids import DeploymentId, EntryId, NewId, RunId, WorkerId
from watership.durable.lease import LEASE_SECONDS, Lease
from watership.durable.outbox import Wakeups
from watership.durable.ports import Bell, Observer, Runs, Witness, inbox_topic, pool_topic
from watership.durable.program import Programs
from watership.durable.writes import Append, Bury, Claim, Claimed, ClaimedRun, Stop
from watership.errors import Unavailable

POLL_SECONDS = 0.25
"""How often a worker looks for work that no bell announced. The bell is a hint, this is the truth."""

SWEEP_SECONDS = 1.0
"""How often a worker looks for dead ones, whose runs it then frees, unless its settings say otherwise."""

POISON_LIMIT = 10
"""Claims of a run in a row that end without any progress before it is stopped for a person to look."""

TRIAL_SECONDS = 1.0
"""Nothing is claimed beside a suspect run for so long, or until it ends: what kills its worker mostly kills at once."""


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`slots` runs are executed at a time."""

    slots: int = 16
    lease_seconds: float = LEASE_SECONDS
    poll_seconds: float = POLL_SECONDS
    poison_limit: int = POISON_LIMIT
    sweep_seconds: float = SWEEP_SECONDS


class Worker:
    """Use `run()` as a task of its own; it returns after `drain()`."""

    def __init__(
        self,
        *,
        id: WorkerId,
        deployment: DeploymentId,
        pool: str,
        programs: Programs,
        committer: Committer,
        runs: Runs,
        bell: Bell,
        witness: Witness,
        clock: Clock,
        new_id: NewId,
        observer: Observer,
        settings: WorkerSettings | None = None,
        wakeups: Wakeups | None = None,
        execution: Callable[..., Execution] = Execution,
    ) -> None:
        self.id = id
        self.deployment = deployment
        self.pool = pool
        self._programs = programs
        self._committer = committer
        self._runs = runs
        self._bell = bell
        self._witness = witness
        self._clock = clock
        self._new_id = new_id
        self._observer = observer
        self._settings = settings or WorkerSettings()
        self._wakeups = wakeups
        self._execution = execution
        self._held = Holdings(
            worker=id,
            deployment=deployment,
            pool=pool,
            slots=self._settings.slots,
            committer=committer,
            witness=witness,
            clock=clock,
            observer=observer,
            lease_seconds=self._settings.lease_seconds,
            again_seconds=self._settings.poll_seconds,
        )
        self._burial = Burial(
            by=id, runs=runs, committer=committer, witness=witness, clock=clock, observer=observer
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._full = False
        """Whether the last look took all that there was room for: more may be due, once a run ends."""
        self._look_at = 0.0
        """When to look for what is due that no broker told of."""
        self._trial: asyncio.Task[None] | None = None
        self._trial_until = 0.0
        self._draining = asyncio.Event()
        self._hurried = asyncio.Event()

    @property
    def holding(self) -> int:
        """Runs that are being executed now."""
        return len(self._held.runs)

    # --- life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until `drain()` was called and every run is handed over or lost.

        A session lock that cannot be had just now is tried for again before each claim. Raises Conflict when another
        process holds it, NotAllowed when the database refuses us.
        """
        try:
            await self._witness.hold(self.id)
        except Unavailable as error:
            self._observer.note("session not taken yet", worker=self.id, reason=str(error))
        self._observer.note("worker started", worker=self.id, deployment=self.deployment, pool=self.pool)
        try:
            async with asyncio.TaskGroup() as group:
                keepers = [
                    group.create_task(each, name=f"{self.id} {name}")
                    for name, each in (
                        ("renewals", self._held.keep()),
                        ("sweep", self._burial.keep(self._settings.sweep_seconds)),
                        (
                            "deadlines",
                            Deadlines(self._runs, self._committer, self._clock, self._observer).keep(),
                        ),
                        ("pool's bell", self._listen_to_pool()),
                        ("inboxes' bell", self._listen_to_inboxes()),
                    )
                ]
                await self._keep_claiming()
                while self._tasks:
                    await asyncio.wait(tuple(self._tasks))
                for keeper in keepers:
                    keeper.cancel()
        finally:
            for task in self._tasks:
                task.cancel()
            with suppress(Unavailable):  # the presence then ends when a sweep finds the lock free
                await self._committer.write(Bury(worker=self.id, resigned=True))
            self._witness.release()
            self._observer.note("worker stopped", worker=self.id)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more; hand each run over at its next pause, and after `seconds` wherever it is."""
        self._draining.set()
        self._room.set()
        self._held.drain()
        await self._until_idle(seconds)
        for held in tuple(self._held.runs.values()):
            await held.execution.hand_over_now()

    def hurry(self) -> None:
        """Let a drain that is under way wait no longer."""
        self._hurried.set()

    async def _until_idle(self, seconds: float) -> None:
        """Until nothing is executed, the time is up, or somebody is in a hurry."""
        hurried = asyncio.create_task(self._hurried.wait())
        deadline = asyncio.get_running_loop().time() + seconds
        while self._tasks and not hurried.done():
            left = deadline - asyncio.get_running_loop().time()
            waits = {*self._tasks, hurried}
            if not (await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED))[0]:
                break
        hurried.cancel()

    # --- claiming ---------------------------------------------------------------------------------------------

    async def _keep_claiming(self) -> None:
        while not self._draining.is_set():
            self._room.clear()
            # Not the runs held: one that was just claimed is held only when its task has begun.
            free = self._settings.slots - len(self._tasks)
            if not self._witness.held():
                await self._held.renew()
            may = free > 0 and self._witness.held() and not self._on_trial()
            busy = may and await self._claim_some(free)
            if not busy:
                await self._wait_for_work()

    async def _claim_some(self, free: int) -> bool:
        """Claim what the broker told of, else what is due; whether there may be more."""
        told = self._wakeups.take(free) if self._wakeups is not None else ()
        if told:
            await self._claim(free, told)
            return True
        if self._wakeups is not None and not self._full and self._clock.monotonic() < self._look_at:
            return False
        self._look_at = self._clock.monotonic() + self._settings.poll_seconds
        # A suspect comes alone, whatever else is due.
        self._full = await self._claim(free) >= free or self._on_trial()
        return self._full

    def _on_trial(self) -> bool:
        """Whether a suspect run has only just begun here."""
        trial = self._trial
        return trial is not None and not trial.done() and self._clock.monotonic() < self._trial_until

    async def _wait_for_work(self) -> None:
        """Until the bell rings for our pool, a run ends, or it is time to look again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll_seconds):
                await self._room.wait()

    async def _claim(self, limit: int, told: tuple[RunId, ...] | None = None) -> int:
        """Claim up to `limit` runs: those that a broker told of, or whatever is due; how many were claimed."""
        asked_at, session = self._clock.monotonic(), self._held.session
        claim = Claim(
            worker=self.id,
            deployment=self.deployment,
            pool=self.pool,
            limit=limit,
            lease_seconds=self._settings.lease_seconds,
            poison_limit=self._settings.poison_limit,
            runs=told,
        )
        try:
            outcome = await self._committer.write(claim)
        except Unavailable as error:
            self._observer.note("claim failed", worker=self.id, reason=str(error))
            return 0
        finally:
            if self._wakeups is not None and told is not None:
                # After a failure too: they stand in the store, and the next look finds them.
                self._wakeups.settle(told)
        assert isinstance(outcome, Claimed)
        for each in outcome.runs:
            seconds = self._settings.lease_seconds
            lease = Lease(self._clock, asked_at=asked_at, seconds=seconds, session=self._witness.held)
            if session != self._held.session or not self._witness.held():
                lease.end()
            self._begin(each, lease)
        return len(outcome.runs)

    def _begin(self, claimed: ClaimedRun, lease: Lease) -> None:
        before = self._held.runs.get(claimed.run.id)
        if before is not None:  # its lease had run out, and we are the next owner ourselves
            before.execution.lose()
        task = asyncio.create_task(self._execute(claimed, lease), name=f"execution {claimed.run.id}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if claimed.run.suspect:
            self._trial, self._trial_until = task, self._clock.monotonic() + TRIAL_SECONDS

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._full or self._wakeups is not None or task is self._trial:
            self._room.set()
        if not task.cancelled() and task.exception() is not None:
            self._observer.note("execution failed", worker=self.id, reason=repr(task.exception()))

    async def _execute(self, claimed: ClaimedRun, lease: Lease) -> None:
        row = claimed.run
        program = self._programs.get(row.program)
        if program is None:
            await self._stop_unknown(claimed)
            return
        execution = self._execution(
            claimed,
            program,
            committer=self._committer,
            runs=self._runs,
            clock=self._clock,
            lease=lease,
            confirm_lease=partial(self._held.confirm, lease),
            new_id=self._new_id,
            observer=self._observer,
            programs=self._programs,
        )
        held = self._held.runs[row.id] = Held(execution, lease, row.inbox)
        if self._draining.is_set():
            execution.drain()
        self._observer.note("run claimed", run_id=row.id, epoch=row.epoch, worker=self.id)
        try:
            ending = await execution.run()
            self._observer.note("run left", run_id=row.id, ending=ending.value, program=row.program)
        finally:
            if self._held.runs.get(row.id) is held:
                del self._held.runs[row.id]

    async def _stop_unknown(self, claimed: ClaimedRun) -> None:
        known = ", ".join(sorted(self._programs)) or "none"
        failure = Failure(
            kind="UnknownProgram",
            message=f"This build has no program {claimed.run.program!r}; it has {known}.",
        )
        entry = EntryId(self._new_id())
        stop = Stop(failure=failure)
        await self._committer.write(
            Append(entry_id=entry, run_id=claimed.run.id, epoch=claimed.run.epoch, then=stop)
        )

    # --- others -----------------------------------------------------------------------------------------------

    async def _listen_to_pool(self) -> None:
        """Let the bell wake the claiming."""
        pool = frozenset({pool_topic(self.deployment, self.pool)})
        while True:
            if await self._bell.wait(pool, math.inf):
                self._room.set()

    async def _listen_to_inboxes(self) -> None:
        """Let the bell wake runs whose inbox has something new. Apart from the pool, which rings far more often."""
        while True:
            topics = {inbox_topic(run_id): held.execution for run_id, held in self._held.runs.items()}
            rung = await self._bell.wait(frozenset(topics), self._settings.poll_seconds)
            for topic in rung:
                topics[topic].nudge()
