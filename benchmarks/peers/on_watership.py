"""Watership as a user runs it: `watership serve`, `watership worker`, one URL for each server, a client over HTTP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec

import watership
from benchmarks.peers import results
from benchmarks.peers.connection import Connection, connect
from benchmarks.peers.peer import POLL_SECONDS, Pending
from benchmarks.peers.place import Place
from watership.errors import Unavailable
from watership.testing.servers import free_port

APP = f"{Path(__file__).with_name('app.py')}:app"
SLOTS = 256
"""Runs of the worker at a time: so many that it is never the slots which limit it."""

MESSAGES = b"/api/v1/messages"
READ = "SELECT state, result, failure FROM runs WHERE id = $1"
ENDS = frozenset({"succeeded", "failed", "cancelled"})
STORED = "SELECT count(*) FROM runs WHERE state = 'succeeded'"
READERS = 8
"""Connections that look for results."""

READY_SECONDS = 30.0
UPGRADE_SECONDS = 60.0
LOG_CHARACTERS = 3_000


class Accepted(msgspec.Struct):
    run_id: str


accepted = msgspec.json.Decoder(Accepted)


def message(agent: str, **given: object) -> bytes:
    return msgspec.json.encode({"agent": agent, "input": given})


class Refused(Exception):
    """An answer other than 202 to a message, where nothing is overloaded."""


class Failure(Exception):
    """A run ended otherwise than by succeeding."""


class WatershipClient:
    """Speaks HTTP, on as many connections as there are requests under way at a time."""

    def __init__(self, place: Place, url: str, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._counter = results.Counter(place.postgres, STORED)
        self._url = url
        self._free: list[Connection] = []

    async def submit(self, number: int) -> Pending:
        run_id = await self.start(message("one_step", number=number))
        return lambda: self.result(run_id)

    async def start(self, body: bytes) -> str:
        """The id of a run that is accepted."""
        async with self._connection() as connection:
            answer = await connection.post(MESSAGES, body)
        if answer.status != 202:
            raise Refused(f"{answer.status}: {answer.body.decode(errors='replace')}")
        return accepted.decode(answer.body).run_id

    async def result(self, run_id: str) -> int:
        """Read where it is stored, as the peers' results are: to ask over HTTP so often would be most of the load."""
        while (row := await self._pool.fetchrow(READ, run_id)) is None or row["state"] not in ENDS:
            await asyncio.sleep(POLL_SECONDS)
        if row["state"] != "succeeded":
            raise Failure(f"The run {run_id} is {row['state']}: {row['failure']}")
        return msgspec.json.decode(row["result"], type=int)

    async def stored(self) -> int:
        return await self._counter.count()

    async def nap(self, path: str) -> None:
        await self.start(message("between_steps", path=path))

    async def close(self) -> None:
        for connection in self._free:
            connection.close()
        await self._counter.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        connection = self._free.pop() if self._free else await connect(self._url)
        yield connection
        self._free.append(connection)  # not after an error: what it would answer next is unknown


class WatershipPeer:
    version = watership.__version__
    submitters = 64
    imports = "import watership.wiring.roles, watership.wiring.production"
    supervised = False

    def __init__(self) -> None:
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self, place: Place) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "watership", "db", "upgrade"],
            env=place.environment() | self.settings(place),
            capture_output=True,
            text=True,
            timeout=UPGRADE_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise Unavailable(
                f"watership db upgrade ended with {done.returncode}: {done.stderr[-LOG_CHARACTERS:]}"
            )

    def settings(self, place: Place) -> dict[str, str]:
        """The environment of a production: one URL each. The rest are defaults, but for the log's level."""
        return {
            "WATERSHIP_STORE_URL": place.postgres,
            "WATERSHIP_BROKER_URL": place.rabbit,
            "WATERSHIP_CACHE_URL": place.redis,
            # As the peers are told to.
            "WATERSHIP_LOG_LEVEL": "warning",
        }

    def _command(self, place: Place, *arguments: str) -> Sequence[str]:
        settings = [f"{name}={value}" for name, value in self.settings(place).items()]
        return ["/usr/bin/env", *settings, sys.executable, "-m", "watership", *arguments]

    def front(self, place: Place) -> Mapping[str, Sequence[str]]:
        return {"serve": self._command(place, "serve", "--app", APP, "--port", str(self.port))}

    def worker(self, place: Place) -> Sequence[str]:
        return self._command(place, "worker", "--app", APP, "--slots", str(SLOTS))

    def idle(self, place: Place) -> Sequence[str]:
        return self.worker(place)

    @asynccontextmanager
    async def opened(self, place: Place, *, working: bool = True) -> AsyncIterator[WatershipClient]:
        await self.ready()
        async with asyncpg.create_pool(place.postgres, min_size=1, max_size=READERS) as pool:
            client = WatershipClient(place, self.url, pool)
            try:
                yield client
            finally:
                await client.close()

    async def ready(self) -> None:
        """Until the server says that it takes requests. Raises Unavailable when it does not in time."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                connection = await connect(self.url)
                answer = await connection.get(b"/readyz")
                connection.close()
            except OSError:  # not there yet, or not ready to talk
                await asyncio.sleep(0.05)
                continue
            if answer.status == 200:
                return
            await asyncio.sleep(0.05)
        raise Unavailable(f"watership serve was not ready within {READY_SECONDS:g} s.")


PEER = WatershipPeer()
