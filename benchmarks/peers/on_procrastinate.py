"""procrastinate: jobs are rows of PostgreSQL. It stores no results, so the job inserts its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

import asyncpg
import procrastinate

from benchmarks.peers import results, work
from benchmarks.peers.peer import POLL_SECONDS, Client, Pending
from benchmarks.peers.place import Place, here

CONCURRENCY = 20
"""Jobs of the worker at a time."""

MODULE = "benchmarks.peers.on_procrastinate"
TABLE = "CREATE TABLE IF NOT EXISTS results (number BIGINT PRIMARY KEY, result BIGINT NOT NULL)"
STORE = "INSERT INTO results (number, result) VALUES (%(number)s, %(result)s) ON CONFLICT DO NOTHING"
STORED = """
SELECT count(*) FROM results WHERE (SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded') = 0
"""
"""The job's row is brought to its end after its result is stored, and a job is done when both are."""

READ = "SELECT result FROM results WHERE number = $1"

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=here().postgres))


async def _add_one(number: int) -> None:
    result = await work.add_one_async(number)
    await app.connector.execute_query_async(STORE, number=number, result=result)


add_one = app.task(name="add_one")(_add_one)
nap = app.task(name="nap")(work.nap_async)


class ProcrastinateClient:
    def __init__(self, pool: asyncpg.Pool, counter: results.Counter) -> None:
        self._pool = pool
        self._counter = counter

    async def submit(self, number: int) -> Pending:
        await add_one.defer_async(number=number)

        async def result() -> int:
            while (found := await self._pool.fetchval(READ, number)) is None:
                await asyncio.sleep(POLL_SECONDS)
            return int(found)

        return result

    async def stored(self) -> int:
        return await self._counter.count()

    async def nap(self, path: str) -> None:
        await nap.defer_async(path=path)


class ProcrastinatePeer:
    version = version("procrastinate")
    submitters = 16
    imports = f"import {MODULE}, procrastinate.cli, procrastinate.worker"
    supervised = False

    def prepare(self, place: Place) -> None:
        command = [sys.executable, "-m", "procrastinate", "--app", f"{MODULE}.app", "schema", "--apply"]
        subprocess.run(command, env=place.environment(), check=True, capture_output=True, timeout=60)
        asyncio.run(_execute(place.postgres, TABLE))

    def front(self, place: Place) -> Mapping[str, Sequence[str]]:
        return {}

    def worker(self, place: Place) -> Sequence[str]:
        return [
            *(sys.executable, "-m", "procrastinate", "--app", f"{MODULE}.app", "--log-level", "warning"),
            *("worker", "--concurrency", str(CONCURRENCY)),
        ]

    def idle(self, place: Place) -> Sequence[str]:
        return self.worker(place)

    @asynccontextmanager
    async def opened(self, place: Place, *, working: bool = True) -> AsyncIterator[Client]:
        counter = results.Counter(place.postgres, STORED)
        async with app.open_async(), asyncpg.create_pool(place.postgres, min_size=1, max_size=8) as pool:
            yield ProcrastinateClient(pool, counter)
            await counter.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


PEER = ProcrastinatePeer()
