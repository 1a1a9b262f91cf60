"""Another session sees which locks a session holds on tables that make others wait, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from watership.adapters.postgres.pool import Session
from watership.durable.clock import Clock
from watership.releases.readiness.rehearsal import Held

STEP: Final = 0.005
"""Seconds between two looks at the locks: a shorter one is not seen, and hurts nobody."""

_LOCKS: Final = """
SELECT DISTINCT relation::regclass::text AS of, mode FROM pg_locks JOIN pg_class ON pg_class.oid = relation
 WHERE pid = $1 AND granted AND locktype = 'relation' AND relkind IN ('r', 'p')
   AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"""


@dataclass(slots=True)
class LockWatch:
    """Who holds what since when, as another session sees it."""

    migration: str = ""
    seen: dict[tuple[str, str, str], tuple[float, float]] = field(default_factory=dict)

    async def look(self, session: Session, pid: int, clock: Clock) -> None:
        """Look again and again until it is cancelled."""
        while True:
            now = clock.monotonic()
            for each in await session.fetch(_LOCKS, pid):
                first, _ = self.seen.get(key := (self.migration, each["of"], each["mode"]), (now, now))
                self.seen[key] = first, now
            await clock.sleep(STEP)

    def held(self) -> tuple[Held, ...]:
        return tuple(
            Held(migration=name, table=table, mode=mode, seconds=last - first + STEP)
            for (name, table, mode), (first, last) in sorted(self.seen.items())
        )
