"""Hot runs: an ended run never changes again, so that it is read from the cache as well as from the store."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from watership.durable.ids import RunId
from watership.durable.ports import Observer, RunFilter, Runs
from watership.durable.run import Run
from watership.durable.states import TERMINAL
from watership.fleet.cache import ENTRY_BYTES, Cache

KEEP_SECONDS: Final = 3_600.0
"""Results are asked for right after the end, and hardly an hour later. Bounds what a cache holds, not what is true."""

WARM: Final = 200
"""Runs that are put into the cache at the start: those that ended last are the ones asked for."""

SHAPE: Final = hashlib.sha256(repr(msgspec.json.schema(Run)).encode()).hexdigest()[:8]
"""Stands in the key, so that two builds whose runs have different fields never read each other's."""

_encode = msgspec.json.Encoder().encode
_run = msgspec.json.Decoder(Run)


def key_of(run_id: RunId) -> str:
    """Where an ended run stands."""
    return f"watership:v1:run:{SHAPE}:{run_id}"


class HotRuns:
    """Reads runs of whatever tenant, as the store does: whose it is, is judged on what was read."""

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
        """Put the newest ended runs into the cache; how many they were."""
        page = await self._runs.list(RunFilter(states=TERMINAL), limit=limit)
        for run in page.runs:
            await self._keep(run)
        return len(page.runs)

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
