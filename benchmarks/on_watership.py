"""Watership on SQLite: submit, three journaled steps on a worker, the result read back from the store."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

import watership
from benchmarks.load import STEPS, StartAndWait
from watership.adapters.sqlite.connection import connect
from watership.config import Config, StoreSettings
from watership.durable import Effect, Program, step
from watership.durable.ids import DeploymentId, RunId, WorkerId
from watership.durable.ports import end_topic
from watership.durable.run import DEFAULT_POOL
from watership.durable.worker import Worker, WorkerSettings
from watership.durable.writes import Submit
from watership.wiring.kernel import Kernel, open_kernel

FILE = "watership.db"
DEPLOYMENT = DeploymentId("bench")
SLOTS = 256
"""As many runs at a time as the largest case has clients."""

POLL_SECONDS = 0.5
"""How often a client looks without having heard the bell."""

VERSION = watership.__version__


async def add_one(number: int) -> int:
    return number + 1


async def three_steps(given: msgspec.Raw) -> int:
    number = msgspec.json.decode(given, type=int)
    for _ in range(STEPS):
        number = await step(add_one, number, effect=Effect.PURE)
    return number


class Silent:
    """An Observer that writes nothing, as DBOS is told to."""

    def note(self, event: str, **facts: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """A kernel with one worker, and what a client in the same process does with it."""

    kernel: Kernel

    async def submit(self, number: int) -> RunId:
        """Returns after COMMIT."""
        run_id = RunId(self.kernel.new_id())
        await self.kernel.committer.submit(
            Submit(
                run_id=run_id,
                program="three_steps",
                input=msgspec.Raw(str(number).encode()),
                deployment=DEPLOYMENT,
            )
        )
        return run_id

    async def ended(self, run_id: RunId) -> None:
        """Returns when the bell rang for the run's end, or the store says that it has ended."""
        topics = frozenset({end_topic(run_id)})
        while not await self.kernel.bell.wait(topics, POLL_SECONDS):
            run = await self.kernel.store.get(run_id)
            if run is not None and run.ended:
                return

    async def result(self, run_id: RunId) -> int:
        topics = frozenset({end_topic(run_id)})
        while True:
            # What rang before the first wait is heard by it; the store is asked whatever rang.
            await self.kernel.bell.wait(topics, POLL_SECONDS)
            run = await self.kernel.store.get(run_id)
            if run is not None and run.ended:
                assert run.failure is None, run.failure
                return msgspec.json.decode(run.result, type=int)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[StartAndWait]:
    """A store in `folder` and one worker, as `watership dev` puts them together."""
    async with opened_at(f"sqlite:///{folder / FILE}") as engine:

        async def start_and_wait(number: int) -> int:
            return await engine.result(await engine.submit(number))

        yield start_and_wait


@asynccontextmanager
async def opened_at(url: str) -> AsyncIterator[Engine]:
    """The store at `url` and one worker, without HTTP and without a broker."""
    async with open_kernel(Config(store=StoreSettings(url=url)), Silent()) as kernel:
        worker = _worker(kernel)
        working = asyncio.create_task(worker.run())
        yield Engine(kernel)
        await worker.drain(seconds=5.0)
        await working


def _worker(kernel: Kernel) -> Worker:
    return Worker(
        id=WorkerId("bench"),
        deployment=DEPLOYMENT,
        pool=DEFAULT_POOL,
        programs={"three_steps": Program("three_steps", three_steps)},
        committer=kernel.committer,
        runs=kernel.store,
        bell=kernel.bell,
        witness=kernel.witnesses(),
        clock=kernel.clock,
        new_id=kernel.new_id,
        observer=kernel.observer,
        settings=WorkerSettings(slots=SLOTS),
    )


def durability(folder: Path) -> str:
    """What a connection like the store's own says of itself."""
    connection = connect(folder / FILE)
    try:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        level = connection.execute("PRAGMA synchronous").fetchone()[0]
    finally:
        connection.close()
    return f"journal_mode={mode} synchronous={level}"


def steps_journaled(folder: Path) -> int:
    connection = sqlite3.connect(folder / FILE)
    try:
        query = "SELECT count(*) FROM journal WHERE json_extract(CAST(event AS TEXT), '$.type') = 'step_done'"
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()
