"""Hot runs: an ended run never changes again, so that it is read from the cache as well as from the store."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Final

import msgspec

from watership.durable.counters import Count
from watership.durable.events import Entry, Failure
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import Backlog, Cohort, Observer, RunFilter, RunPage, Runs, WorkerPresence
from watership.durable.run import Run, Signal, Waiting
from watership.durable.states import TERMINAL, RunState
from watership.errors import Unavailable
from watership.fleet.cache import ENTRY_BYTES, Cache

KEEP_SECONDS: Final = 3_600.0
"""Results are asked for right after the end, and hardly an hour later. Bounds what a cache holds, not what is true."""

WARM: Final = 200
"""Runs that are put into the cache at the start: those that ended last are the ones asked for."""

_FIELDS: Final = ";".join(",".join(kind.__struct_fields__) for kind in (Run, Waiting, Failure))
SHAPE: Final = hashlib.sha256(_FIELDS.encode()).hexdigest()[:8]
"""Stands in the key, so that two builds whose runs have different fields never read each other's."""

_encode = msgspec.json.Encoder().encode
_run = msgspec.json.Decoder(Run)


def key_of(run_id: RunId) -> str:
    """Where an ended run stands."""
    return f"watership:v1:run:{SHAPE}:{run_id}"


class HotRuns:
    """Runs, with the ended ones cached. It reads those of all tenants, as the store does: whose a run is, is judged
    on what was read."""

    def __init__(self, runs: Runs, cache: Cache, observer: Observer) -> None:
        self._runs = runs
        self._cache = cache
        self._observer = observer

    async def get(self, run_id: RunId) -> Run | None:
        """The run; from the cache if it has ended and stands there."""
        found = await self._recall(run_id)
        self._observer.note("cache read", kind="run", hit=found is not None)
        if found is not None:
            return found
        run = await self._runs.get(run_id)
        if run is not None:
            await self._keep(run)
        return run

    async def warm(self, limit: int = WARM) -> int:
        """Put the newest ended runs into the cache; how many they were. None when the store does not answer now."""
        try:
            page = await self._runs.list(RunFilter(states=TERMINAL), limit=limit)
        except Unavailable as error:
            self._observer.note("cache not warmed", error=error.message)
            return 0
        for run in page.runs:
            await self._keep(run)
        return len(page.runs)

    # --- what is not cached: it changes -------------------------------------------------------

    async def list(self, which: RunFilter, *, limit: int = 50, after: str | None = None) -> RunPage:
        return await self._runs.list(which, limit=limit, after=after)

    async def journal(self, run_id: RunId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        return await self._runs.journal(run_id, after=after, limit=limit)

    async def inbox(self, run_id: RunId, *, after: int = 0) -> Sequence[Signal]:
        return await self._runs.inbox(run_id, after=after)

    async def census(self) -> dict[tuple[DeploymentId, RunState], int]:
        return await self._runs.census()

    async def cohorts(
        self, deployments: Sequence[DeploymentId], *, after: datetime, until: datetime, some: int = 0
    ) -> dict[DeploymentId, Cohort]:
        return await self._runs.cohorts(deployments, after=after, until=until, some=some)

    async def workers(self) -> Sequence[WorkerPresence]:
        return await self._runs.workers()

    async def counts(self, names: Sequence[str]) -> Sequence[Count]:
        return await self._runs.counts(names)

    async def late(self, *, limit: int) -> Sequence[RunId]:
        return await self._runs.late(limit=limit)

    async def next_wake(self, deployment: DeploymentId, pool: str) -> datetime | None:
        return await self._runs.next_wake(deployment, pool)

    async def backlog(self, deployments: Sequence[DeploymentId], *, limit: int) -> Backlog:
        return await self._runs.backlog(deployments, limit=limit)

    async def ping(self) -> None:
        await self._runs.ping()

    async def _recall(self, run_id: RunId) -> Run | None:
        key = key_of(run_id)
        value = await self._cache.get(key)
        if value is None:
            return None
        try:
            run = _run.decode(value)
        except msgspec.DecodeError:
            run = None
        # What stands there was written by somebody, perhaps not by us: it counts only as what it says it is.
        if run is None or run.id != run_id or not run.ended:
            self._observer.note("cache entry unreadable", key=key)
            await self._cache.forget(key)
            return None
        return run

    async def _keep(self, run: Run) -> None:
        if not run.ended:
            return
        value = _encode(run)
        if len(value) <= ENTRY_BYTES:
            await self._cache.put(key_of(run.id), value, seconds=KEEP_SECONDS)


@asynccontextmanager
async def warming(runs: HotRuns) -> AsyncIterator[None]:
    """Warm the cache beside what is done inside the block: nobody waits for it."""
    task = asyncio.create_task(runs.warm(), name="warm the cache")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
