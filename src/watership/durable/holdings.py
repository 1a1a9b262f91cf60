"""What a worker holds: executions under leases, prolonged together while the worker's session lock is its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from watership.durable.clock import Clock
from watership.durable.committer import Committer
from watership.durable.execution import Execution
from watership.durable.ids import DeploymentId, RunId, WorkerId
from watership.durable.lease import LEASE_SECONDS, Lease
from watership.durable.ports import Observer, Witness
from watership.durable.writes import Renew, Renewed
from watership.errors import Conflict, NotAllowed, Unavailable

RENEWALS_PER_LEASE = 3


@dataclass(eq=False, slots=True)
class Held:
    """A run that is being executed; `inbox` is the number of the last signal that its execution was told of."""

    execution: Execution
    lease: Lease
    inbox: int


class Holdings:
    """The runs of one worker, by id."""

    def __init__(
        self,
        *,
        worker: WorkerId,
        deployment: DeploymentId,
        pool: str,
        slots: int,
        committer: Committer,
        witness: Witness,
        clock: Clock,
        observer: Observer,
        lease_seconds: float = LEASE_SECONDS,
        again_seconds: float,
    ) -> None:
        """A store that does not answer is asked again after `again_seconds`."""
        self.runs: dict[RunId, Held] = {}
        self.session = 0
        """Counts session locks taken: what the store said in an earlier one is worth nothing."""
        self._worker = worker
        self._deployment = deployment
        self._pool = pool
        self._slots = slots
        self._committer = committer
        self._witness = witness
        self._clock = clock
        self._observer = observer
        self._lease_seconds = lease_seconds
        self._again_seconds = again_seconds
        self._draining = False
        self._renewing = asyncio.Lock()
        self._renewals, self._renewed = 0, False
        """Renewals begun, and whether the last one succeeded."""

    def drain(self) -> None:
        """From now on a store that does not answer is waited for no longer."""
        self._draining = True
        for held in self.runs.values():
            held.execution.drain()

    async def keep(self) -> None:
        """Prolong the leases in time, for ever."""
        while True:
            await self.renew()
            await self._clock.sleep(self._lease_seconds / RENEWALS_PER_LEASE)

    async def confirm(self, lease: Lease, run_id: RunId) -> bool:
        """Ask the store now whether `run_id` is still ours under `lease`; True only if it said so.

        One that does not answer is asked again, for the length of a lease: nobody else may take the run before.
        """
        give_up = self._clock.monotonic() + self._lease_seconds
        while (held := self.runs.get(run_id)) is not None and held.lease is lease:
            if lease.holds():
                return True
            if not await self.renew():
                if self._draining or self._clock.monotonic() >= give_up:
                    return False
                await self._clock.sleep(self._again_seconds)
        return False

    async def renew(self) -> bool:
        """Prolong every lease held; False when the store did not answer, or the session lock is not ours.

        One that began after we asked is ours too: all runs at once ask when a session was lost.
        """
        asked = self._renewals
        async with self._renewing:
            if self._renewals == asked:
                self._renewals, self._renewed = asked + 1, False
                self._renewed = await self._in_session() and await self._renew_all()
            return self._renewed

    async def _renew_all(self) -> bool:
        held = dict(self.runs)
        asked_at = self._clock.monotonic()
        renew = Renew(
            worker=self._worker,
            deployment=self._deployment,
            pool=self._pool,
            slots=self._slots,
            runs={run_id: each.execution.run_row.epoch for run_id, each in held.items()},
            lease_seconds=self._lease_seconds,
        )
        try:
            outcome = await self._committer.write(renew)
        except Unavailable as error:
            self._observer.note("renewal failed", worker=self._worker, reason=str(error))
            return False
        assert isinstance(outcome, Renewed)
        if not self._witness.held():
            return False
        for run_id, each in held.items():
            self._learn(run_id, each, outcome, asked_at)
        return True

    async def _in_session(self) -> bool:
        """Whether we hold our session lock; one that was lost is taken again, and every lease then is in doubt.

        Where that fails nothing is claimed or entered, and each renewal and each claim tries again.
        """
        if self._witness.held():
            return True
        for held in self.runs.values():
            held.lease.end()
        try:
            await self._witness.hold(self._worker)
        except (Conflict, NotAllowed, Unavailable) as error:
            self._observer.note("session lost", worker=self._worker, reason=str(error))
            return False
        self.session += 1
        self._observer.note("session taken again", worker=self._worker)
        return True

    def _learn(self, run_id: RunId, held: Held, renewed: Renewed, asked_at: float) -> None:
        if run_id in renewed.lost:
            # A renewal is a write under our epoch too, and the store has refused it.
            self._observer.note("run fenced", run_id=run_id, epoch=held.execution.run_row.epoch)
            held.execution.lose()
            return
        if run_id not in renewed.inboxes:  # it has moved on under our own hand meanwhile: nothing was refused
            held.execution.lose()
            return
        held.lease.renewed(asked_at)
        if run_id in renewed.cancelled or renewed.inboxes.get(run_id, 0) > held.inbox:
            held.inbox = renewed.inboxes.get(run_id, 0)
            held.execution.nudge()
