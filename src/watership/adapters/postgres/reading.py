"""Runs, as PostgreSQL knows them: each question on a connection that does not write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from watership.adapters.postgres import queries
from watership.adapters.postgres.links import Links
from watership.durable.counters import Count
from watership.durable.events import Entry
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import Backlog, Cohort, RunFilter, RunPage, WorkerPresence
from watership.durable.run import Run, Signal
from watership.durable.states import RunState


class PostgresRuns:
    """Runs."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def get(self, run_id: RunId) -> Run | None:
        async with self._links.reading.session() as db:
            return await queries.get(db, run_id)

    async def list(self, which: RunFilter, *, limit: int = 50, after: str | None = None) -> RunPage:
        async with self._links.reading.session() as db:
            return await queries.page(db, which, limit, after)

    async def journal(self, run_id: RunId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        async with self._links.reading.session() as db:
            return await queries.journal(db, run_id, after, limit)

    async def inbox(self, run_id: RunId, *, after: int = 0) -> Sequence[Signal]:
        async with self._links.reading.session() as db:
            return await queries.inbox(db, run_id, after)

    async def census(self) -> dict[tuple[DeploymentId, RunState], int]:
        async with self._links.reading.session() as db:
            return await queries.census(db)

    async def cohorts(
        self, deployments: Sequence[DeploymentId], *, after: datetime, until: datetime, some: int = 0
    ) -> dict[DeploymentId, Cohort]:
        async with self._links.reading.session() as db:
            return await queries.cohorts(db, deployments, after, until, some)

    async def workers(self) -> Sequence[WorkerPresence]:
        async with self._links.reading.session() as db:
            return await queries.workers(db)

    async def counts(self, names: Sequence[str]) -> Sequence[Count]:
        async with self._links.reading.session() as db:
            return await queries.counts(db, names)

    async def late(self, *, limit: int) -> Sequence[RunId]:
        async with self._links.reading.session() as db:
            now = None if self._links.clock is None else self._links.clock.now()
            return await queries.late(db, limit, now)

    async def next_wake(self, deployment: DeploymentId, pool: str) -> datetime | None:
        async with self._links.reading.session() as db:
            return await queries.next_wake(db, deployment, pool)

    async def backlog(self, deployments: Sequence[DeploymentId], *, limit: int) -> Backlog:
        async with self._links.reading.session() as db:
            now = None if self._links.clock is None else self._links.clock.now()
            return await queries.backlog(db, deployments, limit, now)
