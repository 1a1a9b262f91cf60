"""Faults strike where a process touches the world: at its store, in its steps, at its bell. One seed decides."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from random import Random

from watership.adapters.memory import MemoryBell, MemoryStore
from watership.durable.counters import Count
from watership.durable.events import Entry
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import Backlog, Cohort, RunFilter, RunPage, Store, WorkerPresence
from watership.durable.run import Run, Signal
from watership.durable.states import RunState
from watership.durable.writes import Write, Written
from watership.errors import Unavailable
from watership.testing.processes import Process


class Fault(StrEnum):
    """What can go wrong."""

    CRASH_BEFORE_WRITE = "crash before a write"
    CRASH_AFTER_WRITE = "crash after a write"
    CRASH_IN_STEP = "crash in a step"
    REFUSED = "store unavailable"
    ANSWER_LOST = "committed, but the answer was lost"
    FROZEN = "frozen past the lease"
    RING_LOST = "ring of the bell lost"
    SIGNAL_TWICE = "signal sent twice"
    SESSION_LOST = "session lock lost"


ORDINARY: Mapping[Fault, float] = {
    Fault.CRASH_BEFORE_WRITE: 0.02,
    Fault.CRASH_AFTER_WRITE: 0.02,
    Fault.CRASH_IN_STEP: 0.06,
    Fault.REFUSED: 0.02,
    Fault.ANSWER_LOST: 0.02,
    Fault.FROZEN: 0.02,
    Fault.RING_LOST: 0.1,
    Fault.SIGNAL_TWICE: 0.5,
    Fault.SESSION_LOST: 0.005,
}
"""The chance of each fault at each opportunity, so that a short history sees a few of them."""

HARMLESS = frozenset({Fault.RING_LOST, Fault.SIGNAL_TWICE})
"""Faults that no retry is spent on; they are not counted against the bound."""

MOST_FAULTS = 6
"""Other faults in one history: then the world heals, and every run must come to its end."""


class Nemesis:
    """Decides which faults strike, and counts them."""

    def __init__(self, seed: int, chances: Mapping[Fault, float] = ORDINARY, most: int = MOST_FAULTS) -> None:
        self.struck: Counter[Fault] = Counter()
        self.random = Random(seed)
        self._chances = chances
        self.left = most

    def strikes(self, fault: Fault) -> bool:
        if self.left <= 0 or self.random.random() >= self._chances.get(fault, 0.0):
            return False
        self.struck[fault] += 1
        self.left -= fault not in HARMLESS
        return True

    def heal(self) -> None:
        """No more faults from here."""
        self.left = 0


async def freeze_perhaps(process: Process, nemesis: Nemesis, lease_seconds: float) -> None:
    """A point at which a process may stand still, for less than its lease or for more."""
    if nemesis.strikes(Fault.FROZEN):
        process.freeze(lease_seconds * nemesis.random.uniform(0.5, 3.0))
        await asyncio.sleep(0)


class FaultyStore:
    """A process's way to the store: writes fail, get lost, are cut off by a crash, or are answered to a sleeper.

    Queries only pass through: a killed or frozen process makes none.
    """

    def __init__(
        self, store: Store, queries: MemoryStore, process: Process, nemesis: Nemesis, lease_seconds: float
    ) -> None:
        self._store = store
        self._queries = queries
        self._process = process
        self._nemesis = nemesis
        self._lease = lease_seconds

    async def write(self, writes: Sequence[Write]) -> Written:
        await self._perhaps(Fault.CRASH_BEFORE_WRITE)
        if self._nemesis.strikes(Fault.REFUSED):
            raise Unavailable("The simulated store does not answer.")
        written = await self._store.write(writes)
        await self._perhaps(Fault.CRASH_AFTER_WRITE)
        await freeze_perhaps(self._process, self._nemesis, self._lease)
        if self._nemesis.strikes(Fault.ANSWER_LOST):
            raise Unavailable("The simulated store committed, and its answer was lost.")
        return written

    async def _perhaps(self, crash: Fault) -> None:
        if self._process.killed or self._nemesis.strikes(crash):
            await self._process.die()

    async def get(self, run_id: RunId) -> Run | None:
        return await self._queries.get(run_id)

    async def list(self, which: RunFilter, *, limit: int = 50, after: str | None = None) -> RunPage:
        return await self._queries.list(which, limit=limit, after=after)

    async def journal(self, run_id: RunId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        return await self._queries.journal(run_id, after=after, limit=limit)

    async def inbox(self, run_id: RunId, *, after: int = 0) -> Sequence[Signal]:
        return await self._queries.inbox(run_id, after=after)

    async def census(self) -> dict[tuple[DeploymentId, RunState], int]:
        return await self._queries.census()

    async def cohorts(
        self, deployments: Sequence[DeploymentId], *, after: datetime, until: datetime, some: int = 0
    ) -> dict[DeploymentId, Cohort]:
        return await self._queries.cohorts(deployments, after=after, until=until, some=some)

    async def workers(self) -> Sequence[WorkerPresence]:
        return await self._queries.workers()

    async def counts(self, names: Sequence[str]) -> Sequence[Count]:
        return await self._queries.counts(names)

    async def late(self, *, limit: int) -> Sequence[RunId]:
        return await self._queries.late(limit=limit)

    async def next_wake(self, deployment: DeploymentId, pool: str) -> datetime | None:
        return await self._queries.next_wake(deployment, pool)

    async def backlog(self, deployments: Sequence[DeploymentId], *, limit: int) -> Backlog:
        return await self._queries.backlog(deployments, limit=limit)

    async def ping(self) -> None:
        await self._queries.ping()


class Tower:
    """The bells of all processes: what one rings, all hear, except for rings that get lost."""

    def __init__(self, nemesis: Nemesis) -> None:
        self._nemesis = nemesis
        self._bells: list[MemoryBell] = []

    def hang(self) -> TowerBell:
        bell = MemoryBell()
        self._bells.append(bell)
        return TowerBell(self, bell)

    def ring(self, topics: Iterable[str]) -> None:
        heard = frozenset(topics)
        if not heard:
            return
        for bell in self._bells:
            if not self._nemesis.strikes(Fault.RING_LOST):
                bell.ring(heard)


class TowerBell:
    """One process's Bell in the tower."""

    def __init__(self, tower: Tower, bell: MemoryBell) -> None:
        self._tower = tower
        self._bell = bell

    def ring(self, topics: Iterable[str]) -> None:
        self._tower.ring(topics)

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        return await self._bell.wait(topics, timeout)
