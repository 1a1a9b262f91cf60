"""DBOS on PostgreSQL as its documentation shows it: workflows and steps in one process, started and awaited there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

import uvloop
from dbos import DBOS

from benchmarks.peers import results, work
from benchmarks.peers.peer import POLL_SECONDS, Client, Pending
from benchmarks.peers.place import Place, here

AT_A_TIME = 32
"""Workflows of the process at a time: with more of them it is slower."""

STEPS = 3
REQUEST = "nap.request"
"""A file with the path for the next nap: there is no queue, so a process must be asked to start one."""

STORED = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"
EXECUTOR = "peers"
VERSION = "peers"
"""Of the application: a process started again takes up only workflows of its own version and executor."""

add = DBOS.step(name="add_one")(work.add_one_async)
napping = DBOS.step(name="nap")(work.nap_async)


async def _one_step(number: int) -> int:
    return int(await add(number))


async def _three_steps(number: int) -> int:
    for _ in range(STEPS):
        number = await add(number)
    return number


async def _nap(path: str) -> int:
    return int(await napping(path))


one_step = DBOS.workflow(name="one_step")(_one_step)
three_steps = DBOS.workflow(name="three_steps")(_three_steps)
nap = DBOS.workflow(name="nap_flow")(_nap)


def address(place: Place) -> str:
    return place.postgres.replace("postgresql://", "postgresql+psycopg://")


@asynccontextmanager
async def launched(place: Place) -> AsyncIterator[None]:
    """DBOS in this process, with its defaults, on the place's database."""
    DBOS(
        config={
            "name": "peers",
            "system_database_url": address(place),
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "executor_id": EXECUTOR,
            "application_version": VERSION,
        }
    )
    DBOS.launch()
    try:
        yield
    finally:
        DBOS.destroy()


class DBOSJobs:
    """In the process that executes: `submit` returns when the workflow's row is committed."""

    def __init__(self, place: Place) -> None:
        self._requests = place.folder / REQUEST
        self._counter = results.Counter(place.postgres, STORED)
        self._room = asyncio.Semaphore(AT_A_TIME)

    async def submit(self, number: int) -> Pending:
        await self._room.acquire()
        handle = await DBOS.start_workflow_async(one_step, number)
        waiting = asyncio.ensure_future(handle.get_result())
        waiting.add_done_callback(lambda _: self._room.release())

        async def result() -> int:
            return int(await waiting)

        return result

    async def stored(self) -> int:
        return await self._counter.count()

    async def nap(self, path: str) -> None:
        self._requests.write_text(path)

    async def close(self) -> None:
        await self._counter.close()


class DBOSPeer:
    version = version("dbos")
    submitters = 32
    imports = "import benchmarks.peers.on_dbos"
    supervised = True

    def prepare(self, place: Place) -> None:
        """It makes its tables when it is launched."""

    def front(self, place: Place) -> Mapping[str, Sequence[str]]:
        return {}

    def worker(self, place: Place) -> None:
        return None

    def idle(self, place: Place) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.peers.on_dbos"]

    @asynccontextmanager
    async def opened(self, place: Place, *, working: bool = True) -> AsyncIterator[Client]:
        jobs = DBOSJobs(place)
        try:
            if not working:
                yield jobs
                return
            async with launched(place):
                yield jobs
        finally:
            await jobs.close()


PEER = DBOSPeer()


async def stand(place: Place) -> None:
    """A process of its own: takes up what an earlier one left, and starts what is asked for by a file."""
    request = place.folder / REQUEST
    async with launched(place):
        while True:
            if request.exists() and (path := request.read_text()):
                request.unlink()
                await DBOS.start_workflow_async(nap, path)
            await asyncio.sleep(POLL_SECONDS)


if __name__ == "__main__":
    uvloop.run(stand(here()))
