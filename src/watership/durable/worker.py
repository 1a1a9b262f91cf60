"""A worker claims runs of one deployment and pool, executes them, keeps their leases, and drains."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from watership.durable.clock import Clock
from watership.durable.committer import Committer
from watership.durable.events import Failure
from watership.durable.execution import Execution
from watership.durable.ids import DeploymentId, EntryId, NewId, RunId, WorkerId
from watership.durable.lease import LEASE_SECONDS, Lease
from watership.durable.ports import Bell, Observer, Runs, Witness, inbox_topic, pool_topic
from watership.durable.program import Programs
from watership.durable.writes import Append, Bury, Claim, Claimed, ClaimedRun, Renew, Renewed, Stop
from watership.errors import Unavailable

POLL_SECONDS = 0.25
"""How often a worker looks for work that no bell announced. The bell is a hint, this is the truth."""

SWEEP_SECONDS = 1.0
"""How often a worker looks for dead ones, whose runs it then frees."""

POISON_LIMIT = 10
"""Claims of a run in a row that end without any progress before it is stopped for a person to look."""

RENEWALS_PER_LEASE = 3


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`slots` runs are executed at a time."""

    slots: int = 16
    lease_seconds: float = LEASE_SECONDS
    poll_seconds: float = POLL_SECONDS
    poison_limit: int = POISON_LIMIT


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
        self._held: dict[RunId, Execution] = {}
        self._leases: dict[RunId, Lease] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._inboxes: dict[RunId, int] = {}
        self._room = asyncio.Event()
        self._full = False
        """Whether the last claim took all that there was room for: more may be due, once a run ends."""
        self._draining = asyncio.Event()
        self._renewing = asyncio.Lock()

    @property
    def holding(self) -> int:
        """Runs that are being executed now."""
        return len(self._held)

    # --- life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until `drain()` was called and every run is handed over or lost."""
        self._witness.hold(self.id)
        self._observer.note("worker started", worker=self.id, deployment=self.deployment, pool=self.pool)
        keepers = [
            asyncio.create_task(each, name=f"{self.id} {name}")
            for name, each in (
                ("renewals", self._keep_leases()),
                ("sweep", self._keep_sweeping()),
                ("bell", self._listen()),
            )
        ]
        try:
            await self._keep_claiming()
            while self._tasks:
                await asyncio.wait(tuple(self._tasks))
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            with suppress(Unavailable):  # the presence then ends when a sweep finds the lock free
                await self._committer.write(Bury(worker=self.id))
            self._witness.release()
            self._observer.note("worker stopped", worker=self.id)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more; hand each run over at its next pause, and after `seconds` wherever it is."""
        self._draining.set()
        self._room.set()
        for execution in self._held.values():
            execution.drain()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)
        for execution in tuple(self._held.values()):
            await execution.hand_over_now()

    # --- claiming ---------------------------------------------------------------------------------------------

    async def _keep_claiming(self) -> None:
        while not self._draining.is_set():
            self._room.clear()
            # Not the runs held: one that was just claimed is held only when its task has begun.
            free = self._settings.slots - len(self._tasks)
            claimed = await self._claim(free) if free > 0 and self._witness.held() else 0
            self._full = claimed >= free
            if claimed < free or free <= 0:
                await self._wait_for_work()

    async def _wait_for_work(self) -> None:
        """Until the bell rings for our pool, a run ends, or it is time to look again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll_seconds):
                await self._room.wait()

    async def _claim(self, limit: int) -> int:
        asked_at = self._clock.monotonic()
        claim = Claim(
            worker=self.id,
            deployment=self.deployment,
            pool=self.pool,
            limit=limit,
            lease_seconds=self._settings.lease_seconds,
            poison_limit=self._settings.poison_limit,
        )
        try:
            outcome = await self._committer.write(claim)
        except Unavailable as error:
            self._observer.note("claim failed", worker=self.id, reason=str(error))
            return 0
        assert isinstance(outcome, Claimed)
        for each in outcome.runs:
            self._begin(each, asked_at)
        return len(outcome.runs)

    def _begin(self, claimed: ClaimedRun, asked_at: float) -> None:
        task = asyncio.create_task(self._execute(claimed, asked_at), name=f"execution {claimed.run.id}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._full:
            self._room.set()
        if not task.cancelled() and task.exception() is not None:
            self._observer.note("execution failed", worker=self.id, reason=repr(task.exception()))

    async def _execute(self, claimed: ClaimedRun, asked_at: float) -> None:
        row = claimed.run
        program = self._programs.get(row.program)
        if program is None:
            await self._stop_unknown(claimed)
            return
        lease = Lease(self._clock, asked_at=asked_at, seconds=self._settings.lease_seconds)
        execution = Execution(
            claimed,
            program,
            committer=self._committer,
            runs=self._runs,
            clock=self._clock,
            lease=lease,
            confirm_lease=self._confirm,
            new_id=self._new_id,
            observer=self._observer,
        )
        self._held[row.id], self._leases[row.id] = execution, lease
        self._inboxes[row.id] = row.inbox
        if self._draining.is_set():
            execution.drain()
        self._observer.note("run claimed", run_id=row.id, epoch=row.epoch, worker=self.id)
        try:
            ending = await execution.run()
            self._observer.note("run left", run_id=row.id, ending=ending.value, program=row.program)
        finally:
            if self._held.get(row.id) is execution:
                del self._held[row.id], self._leases[row.id], self._inboxes[row.id]

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

    # --- leases -----------------------------------------------------------------------------------------------

    async def _keep_leases(self) -> None:
        while True:
            await self._renew()
            await self._clock.sleep(self._settings.lease_seconds / RENEWALS_PER_LEASE)

    async def _confirm(self, run_id: RunId) -> bool:
        """Ask the store now whether `run_id` is still ours; True only if it said so."""
        lease = self._leases.get(run_id)
        while lease is not None and run_id in self._held and not lease.holds():
            if not await self._renew():
                return False
            lease = self._leases.get(run_id)
        return lease is not None and run_id in self._held

    async def _renew(self) -> bool:
        """Prolong every lease held; False when the store did not answer."""
        async with self._renewing:
            held = {run_id: execution.run_row.epoch for run_id, execution in self._held.items()}
            asked_at = self._clock.monotonic()
            renew = Renew(
                worker=self.id,
                deployment=self.deployment,
                pool=self.pool,
                slots=self._settings.slots,
                runs=held,
                lease_seconds=self._settings.lease_seconds,
            )
            try:
                outcome = await self._committer.write(renew)
            except Unavailable as error:
                self._observer.note("renewal failed", worker=self.id, reason=str(error))
                return False
            assert isinstance(outcome, Renewed)
            self._learn(held, outcome, asked_at)
            return True

    def _learn(self, asked: Iterable[RunId], renewed: Renewed, asked_at: float) -> None:
        for run_id in asked:
            execution = self._held.get(run_id)
            if execution is None:
                continue
            if run_id in renewed.lost:
                execution.lose()
                continue
            self._leases[run_id].renewed(asked_at)
            if run_id in renewed.cancelled or renewed.inboxes.get(run_id, 0) > self._inboxes[run_id]:
                self._inboxes[run_id] = renewed.inboxes.get(run_id, 0)
                execution.nudge()

    # --- others -----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Let the bell wake the claiming, and runs whose inbox has something new."""
        pool = pool_topic(self.deployment, self.pool)
        while True:
            topics = {inbox_topic(run_id): execution for run_id, execution in self._held.items()}
            rung = await self._bell.wait(frozenset({pool, *topics}), self._settings.poll_seconds)
            if pool in rung:
                self._room.set()
            for topic in rung & topics.keys():
                topics[topic].nudge()

    async def _keep_sweeping(self) -> None:
        """Free the runs of workers whose session lock tells that they are dead."""
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            with suppress(Unavailable):
                for other in await self._runs.workers():
                    if other.id != self.id and self._witness.is_dead(other.id):
                        await self._committer.write(Bury(worker=other.id))
                        self._observer.note("dead worker buried", worker=other.id, by=self.id)
