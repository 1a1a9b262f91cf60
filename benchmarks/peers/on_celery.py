"""Celery as careful users run it: a quorum queue, late acknowledgements, confirmed publishing, stored results."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import cast

import asyncpg
import redis.asyncio
from celery import Celery

from benchmarks.peers import results, work
from benchmarks.peers.peer import POLL_SECONDS, Client, Pending
from benchmarks.peers.place import Place, here

CHILDREN = 2
"""Processes of the pool: one for each core that the goals are stated for."""

POSTGRES = "celery-postgres"
READ = "SELECT result FROM celery_taskmeta WHERE task_id = $1 AND status = 'SUCCESS'"
STORED = "SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'"


def backend(place: Place) -> str:
    if place.peer == POSTGRES:
        return "db+" + place.postgres.replace("postgresql://", "postgresql+psycopg://")
    return place.redis


def made(place: Place) -> Celery:
    made = Celery("peers", broker=place.rabbit, backend=backend(place))
    made.conf.update(
        task_default_queue_type="quorum",
        task_default_queue="peers",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=False,
        # Celery creates its tables at the first result otherwise, in both children at once.
        database_create_tables_at_setup=True,
        broker_transport_options={"confirm_publish": True},
        broker_connection_retry_on_startup=True,
        worker_prefetch_multiplier=4,
        worker_detect_quorum_queues=True,
        result_expires=None,
    )
    return made


app = made(here())
add_one = app.task(name="add_one")(work.add_one)
nap = app.task(name="nap")(work.nap)


class CeleryClient:
    """Calls that block are made in threads, as many at a time as there are submitters."""

    def __init__(self, place: Place, pool: asyncpg.Pool) -> None:
        self._place = place
        self._counter = results.Counter(place.postgres, STORED)
        self._pool = pool
        self._redis = redis.asyncio.Redis.from_url(place.redis)

    async def submit(self, number: int) -> Pending:
        submitted = await asyncio.to_thread(add_one.delay, number)

        async def result() -> int:
            while (found := await self._read(submitted.id)) is None:
                await asyncio.sleep(POLL_SECONDS)
            return int(json.loads(found)["result"] if self._place.peer != POSTGRES else json.loads(found))

        return result

    async def _read(self, task: str) -> bytes | None:
        """The stored result itself: for each look at PostgreSQL, Celery's own client would connect anew."""
        if self._place.peer == POSTGRES:
            found: bytes | None = await self._pool.fetchval(READ, task)
            return found
        return cast("bytes | None", await self._redis.get(f"celery-task-meta-{task}"))

    async def stored(self) -> int:
        if self._place.peer == POSTGRES:
            return await self._counter.count()
        return await results.keys(self._place.redis)

    async def nap(self, path: str) -> None:
        await asyncio.to_thread(nap.delay, path)

    async def close(self) -> None:
        await self._redis.aclose()
        await self._counter.close()
        app.close()


class CeleryPeer:
    version = version("celery")
    submitters = 8
    imports = "import benchmarks.peers.on_celery, celery.apps.worker, celery.worker.components"
    supervised = False

    def prepare(self, place: Place) -> None:
        """Its tables are made by the worker."""

    def front(self, place: Place) -> Mapping[str, Sequence[str]]:
        return {}

    def worker(self, place: Place) -> Sequence[str]:
        # Two workers of one name fight for one queue of commands.
        name = f"peers-{secrets.token_hex(4)}@localhost"
        return [
            *(sys.executable, "-m", "celery", "-A", "benchmarks.peers.on_celery", "worker"),
            *("--loglevel", "WARNING", "--concurrency", str(CHILDREN), "--hostname", name),
            *("--without-gossip", "--without-mingle"),
        ]

    def idle(self, place: Place) -> Sequence[str]:
        return self.worker(place)

    @asynccontextmanager
    async def opened(self, place: Place, *, working: bool = True) -> AsyncIterator[Client]:
        async with asyncpg.create_pool(place.postgres, min_size=1, max_size=8) as pool:
            client = CeleryClient(place, pool)
            try:
                yield client
            finally:
                await client.close()


PEER = CeleryPeer()
