"""Who watches from beside: the standby's lag, the locks of the application's tables, and Prometheus on both slots."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode
from urllib.request import urlopen

import asyncpg
import msgspec

from tests.journeys.release.scene import Scene
from watership.errors import Unavailable
from watership.releases.ports import Instance
from watership.releases.readiness.rehearsal import Held
from watership.wiring.environment import LocalEnvironment

LAG_SECONDS: Final = 0.5
LOCK_SECONDS: Final = 0.02
TARGETS_SECONDS: Final = 1.0

LAG: Final = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 AS bytes,
       extract(epoch FROM coalesce(replay_lag, '0'))::float8 AS seconds
  FROM pg_stat_replication WHERE state = 'streaming'"""

WAITS: Final = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float8 FROM pg_locks
 WHERE NOT granted AND locktype = 'relation' AND relation = to_regclass('orders')"""

HELD: Final = """
SELECT name, locks FROM application_versions WHERE direction = 'forward' AND version > 1 AND locks IS NOT NULL"""


@dataclass(slots=True)
class Watcher:
    """Looks until its task is cancelled; what it saw worst."""

    scene: Scene
    lag_bytes: float = 0.0
    lag_seconds: float = 0.0
    lags: int = 0
    standby_gone: int = 0
    """Looks at which the primary had no standby."""
    waited: float = 0.0
    """The longest that anybody was seen to wait for a lock on the application's table."""
    looks: int = 0
    scraped: dict[str, list[str]] = field(default_factory=dict)

    async def replication(self) -> None:
        session = await asyncpg.connect(self.scene.postgres.url)
        try:
            while True:
                row = await session.fetchrow(LAG)
                if row is None:
                    self.standby_gone += 1
                else:
                    self.lags += 1
                    self.lag_bytes = max(self.lag_bytes, row["bytes"] or 0.0)
                    self.lag_seconds = max(self.lag_seconds, row["seconds"])
                await asyncio.sleep(LAG_SECONDS)
        finally:
            await session.close()

    async def locks(self) -> None:
        session = await asyncpg.connect(self.scene.config.environment.database)
        try:
            while True:
                self.waited = max(self.waited, await session.fetchval(WAITS))
                self.looks += 1
                await asyncio.sleep(LOCK_SECONDS)
        finally:
            await session.close()

    async def targets(self) -> None:
        """Have Prometheus scrape whoever serves in either slot, as soon as they are there."""
        hosts = LocalEnvironment(self.scene.config).hosts
        while True:
            try:
                found = serving(await hosts.instances())
            except Unavailable:
                found = self.scraped
            if found != self.scraped:
                # What has gone is still asked for: that it was there is known by its series.
                self.scraped = self.scraped | found
                self.scene.prometheus.targets = self.scraped
                await asyncio.to_thread(self.scene.prometheus.reload)
            await asyncio.sleep(TARGETS_SECONDS)


def serving(instances: Sequence[Instance]) -> dict[str, list[str]]:
    """Version → the addresses at which its processes answer HTTP; each version stands in a slot of its own."""
    found: dict[str, list[str]] = {}
    for each in instances:
        if each.role == "serve" and each.address and each.version:
            found.setdefault(each.version, []).append(each.address)
    return found


async def asked(scene: Scene, question: str, at: float) -> dict[str, float]:
    """What Prometheus answers: job → value."""
    url = f"{scene.prometheus.url}/api/v1/query?{urlencode({'query': question, 'time': at})}"
    text = await asyncio.to_thread(lambda: urlopen(url, timeout=10).read())  # noqa: S310 - our own server
    result = msgspec.json.decode(text)["data"]["result"]
    return {each["metric"].get("job", ""): float(each["value"][1]) for each in result}


async def held(scene: Scene) -> dict[str, list[Held]]:
    """Migration → the locks that it held on tables and that were seen, by the register of the application's database.

    One whose locks are not known is left out.
    """
    session = await asyncpg.connect(scene.config.environment.database)
    try:
        rows = await session.fetch(HELD)
    finally:
        await session.close()
    return {row["name"]: msgspec.json.decode(row["locks"], type=list[Held]) for row in rows}
