"""What the kernel needs of the outside: a store, its queries, a bell, a witness, an observer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from watership.durable.counters import Count
from watership.durable.events import Entry
from watership.durable.ids import DeploymentId, RunId, WorkerId
from watership.durable.run import Run, Signal
from watership.durable.states import RunState
from watership.durable.writes import Write, Written


class Store(Protocol):
    """The truth. A list of writes is one transaction, or a few, one after the other."""

    async def write(self, writes: Sequence[Write]) -> Written:
        """Commit `writes` in their order, each whole and with an outcome of its own.

        Raises Unavailable when a commit failed or its outcome is unknown, or whatever else kept a write from being
        made: the same writes may be given again, and those that had been committed come back as Duplicate or as
        `existing` (of a claim nothing comes back: its runs wait for their lease). Where only the first of them could
        be committed it answers with their outcomes alone, and raises for the others when they are given again.
        """


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs to list; what is None does not narrow. Newest first."""

    tenant: str | None = None
    states: frozenset[RunState] | None = None
    program: str | None = None
    deployment: DeploymentId | None = None
    conversation: str | None = None
    parent: RunId | None = None


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of runs; `next` is the cursor of the following page, None on the last one."""

    runs: tuple[Run, ...]
    total_count: int
    next: str | None


class WorkerPresence(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as the store last heard of it."""

    id: WorkerId
    deployment: DeploymentId
    pool: str
    slots: int
    seen_at: datetime
    leased: int


HEARD_SECONDS = 60.0
"""How long ago a worker may have been heard of to count as there: four leases."""


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What waited at `at`, by the store's clock."""

    ready: int
    """READY runs, counted no further than was asked for."""
    oldest: datetime | None
    """Since when the one that has waited longest (of those counted) has been READY."""
    made: int
    """A number that rises by one with each run made, by whichever process; after a crash it may skip some."""
    workers: int
    """Workers that were heard of within HEARD_SECONDS."""
    at: datetime


FELL = frozenset({RunState.FAILED, RunState.STOPPED, RunState.IN_DOUBT})
"""States of a run with which something is wrong: it failed, or a person has to look."""

COHORT_RUNS = 20_000
"""So many of the newest runs are looked at for a cohort: 300 a second for a minute."""


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of a deployment that were made within a while, as they stand now."""

    made: int = 0
    fell: int = 0
    """How many of them something is wrong with (`FELL`)."""
    some: tuple[RunId, ...] = ()
    """Some of them, by the order of their ids, which knows nothing of how they went."""


class Runs(Protocol):
    """Queries. They see everything that was committed before they were asked."""

    async def get(self, run_id: RunId) -> Run | None: ...

    async def list(self, which: RunFilter, *, limit: int = 50, after: str | None = None) -> RunPage: ...

    async def journal(self, run_id: RunId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]: ...

    async def inbox(self, run_id: RunId, *, after: int = 0) -> Sequence[Signal]: ...

    async def census(self) -> dict[tuple[DeploymentId, RunState], int]:
        """How many runs each deployment has in each state that is not terminal, and how many ended."""

    async def cohorts(
        self, deployments: Sequence[DeploymentId], *, after: datetime, until: datetime, some: int = 0
    ) -> dict[DeploymentId, Cohort]:
        """The runs that were made in (after, until], by the store's clock, of each of `deployments`.

        Raises Unavailable where more than COHORT_RUNS were made since `after`: an old cohort is not to be had.
        """

    async def workers(self) -> Sequence[WorkerPresence]: ...

    async def counts(self, names: Sequence[str]) -> Sequence[Count]:
        """Those of these counters that somebody has counted on, in the order of their names."""

    async def late(self, *, limit: int) -> Sequence[RunId]:
        """Runs to which an Expire would do something now, by the store's clock: those due first, first."""

    async def next_wake(self, deployment: DeploymentId, pool: str) -> datetime | None:
        """When the first timer or lease of a deployment's pool runs out, or ran out; None without any.

        Until then only a READY run, for which the bell rings, gives a worker something to claim.
        """

    async def backlog(self, deployments: Sequence[DeploymentId], *, limit: int) -> Backlog:
        """What waits for a worker of `deployments`, counted up to `limit`: cheap enough for four times a second."""

    async def ping(self) -> None:
        """One real round trip. Raises Unavailable when the store does not answer."""


class Bell(Protocol):
    """Tells other tasks and processes that there is work. It may lose rings: polling is the truth."""

    def ring(self, topics: Iterable[str]) -> None:
        """Wake whoever listens to one of `topics` (see `pool_topic` and `run_topic`). Never blocks or raises."""

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        """The topics that rang since the last call, as soon as there is one; none after `timeout` seconds."""


def pool_topic(deployment: DeploymentId, pool: str) -> str:
    """Rung when a deployment's pool has runs newly ready."""
    return f"pool:{deployment}:{pool}"


def run_topic(run_id: RunId) -> str:
    """Rung when a run's journal grew or its state changed, for those who watch it."""
    return f"run:{run_id}"


def end_topic(run_id: RunId) -> str:
    """Rung when a run has ended, for those who wait for its result alone."""
    return f"end:{run_id}"


def inbox_topic(run_id: RunId) -> str:
    """Rung when a run that somebody holds has new signals or was asked to end, for its owner."""
    return f"inbox:{run_id}"


class Witness(Protocol):
    """Knows whether a worker's process lives, by a lock that its death frees."""

    async def hold(self, worker: WorkerId) -> None:
        """Take the worker's session lock. Raises Conflict when another process holds it."""

    def held(self) -> bool:
        """Whether the lock taken is still ours."""

    async def dead(self, workers: Collection[WorkerId]) -> frozenset[WorkerId]:
        """Those whose lock is free; without those of whom that cannot be known.

        Raises Unavailable where the locks cannot be looked at.
        """

    def release(self) -> None: ...


class Observer(Protocol):
    """Gets facts about what happens; logs and metrics are made of them."""

    def note(self, event: str, **facts: object) -> None:
        """`event` in plain words ("run parked"); facts are never secrets."""
