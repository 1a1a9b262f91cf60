"""The environment is everything that a release acts on, behind ports, and the authority to act."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from watership.durable.clock import Clock
from watership.durable.ports import Runs, Store
from watership.errors import Conflict, Fenced
from watership.fleet.deployment import Deployments
from watership.fleet.intake import Intake
from watership.releases.auditing.audit import Audit
from watership.releases.book.system import Secrets, System
from watership.releases.instruments import Instruments
from watership.releases.judging import gate
from watership.releases.judging.feed import Source
from watership.releases.judging.gate import GateSpec, GateState, Judgement
from watership.releases.ports import (
    Backups,
    Entrance,
    Handover,
    Hosts,
    Lock,
    LockHolder,
    Metrics,
    Migrator,
    Probe,
    Router,
)
from watership.releases.readiness.records import Records
from watership.releases.readiness.situation import CriticalIncidents
from watership.releases.service.dashboard import Usage
from watership.releases.snapshots import Snapshots

Entrances = Callable[[System, Secrets], Entrance]
"""Raises BadInput where the system does not say enough."""

Judge = Callable[[GateState, GateSpec], Judgement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """`work` and `runs` are the store of the system that is released, never the controller's own."""

    router: Router
    metrics: Metrics
    intake: Intake
    deployments: Deployments
    hosts: Hosts
    migrator: Migrator
    backups: Backups
    probe: Probe
    lock: Lock
    audit: Audit
    runs: Runs
    work: Store
    snapshots: Snapshots
    clock: Clock
    used_disk: Callable[[], Awaitable[float]]
    """The used share of the fullest disk that the release writes to. Raises Unavailable."""
    records: Records
    instruments: Instruments | None = None
    """What checks look outside with."""
    incidents: CriticalIncidents | None = None
    entrances: Entrances | None = None
    """Makes what leads the names of a system elsewhere."""
    handover: Handover | None = None
    """Who replays runs with a build's agents; None where nobody can, and then runs stay where they began."""
    usage: Usage | None = None
    """What the processes of the slots use, where they run on this machine."""
    kept: Source | None = None
    """Who keeps the metrics, and answers a runbook's feeds."""
    breach: Callable[[str], Awaitable[bool]] | None = None
    """Whether a security incident that concerns a release is going on. Raises Unavailable."""
    every: int = 1
    """The seconds that one tick of `metrics` covers: more than one where they are scraped."""
    judge: Judge = gate.judge


class Authority:
    """The right to act: the lock, with its epoch. `deposed` is set when another controller has it."""

    def __init__(self, lock: Lock, *, who: str, release: str) -> None:
        self._lock = lock
        self._who = who
        self._release = release
        self._holder: LockHolder | None = None
        self.deposed = asyncio.Event()

    @property
    def release(self) -> str:
        """In whose name it acts."""
        return self._release

    @property
    def epoch(self) -> int:
        assert self._holder is not None, "nobody acts without the lock"
        return self._holder.epoch

    async def take(self) -> None:
        """Raises Conflict naming who has it."""
        self._holder = await self._lock.acquire(who=self._who, release=self._release)

    async def require(self) -> None:
        """Raises Fenced when another controller has had the lock since: no act is begun then.

        Epochs are compared at the targets all the same; but not each of them has heard of each controller.
        """
        there = await self._lock.read()
        if there is None or there.epoch != self.epoch:
            raise Fenced("The lock", held=self.epoch, current=there.epoch if there else self.epoch + 1)

    async def retake(self) -> None:
        """A target refused our epoch: take a higher one, if nobody else has.

        A dead-man's switch that fired raises the target's epoch and leaves the lock free to us: then the
        rollback can be completed. If another controller has it this does not return, and neither if one had it
        while we stood still, who is gone since: who acted on would act against it.
        """
        held, there = self.epoch, await self._lock.read()
        if there is not None and there.epoch > held:
            # Deposed while it hung: its own lock is still held, and means nothing any more.
            await self._stop()
        await self._lock.release()
        try:
            await self.take()
        except Conflict:
            await self._stop()
        if self.epoch != held + 1:
            await self._lock.release()
            await self._stop()

    async def _stop(self) -> None:
        self.deposed.set()
        await asyncio.get_running_loop().create_future()

    async def give_up(self) -> None:
        if self._holder is not None:
            await self._lock.release()
