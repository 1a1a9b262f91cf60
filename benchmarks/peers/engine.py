"""The engine alone: three journaled steps in one process with its clients, on the same PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.load import STEPS, WrongResult
from benchmarks.peers.cases import Case
from benchmarks.peers.figures import Engine
from benchmarks.peers.meter import Meter
from benchmarks.peers.place import Place
from benchmarks.peers.survival import wrong

Run = Callable[[int], Awaitable[None]]
"""Execute a run with this input, to its end."""

PEERS = ("watership", "dbos")


async def measure(place: Place, case: Case) -> list[Engine]:
    """One repetition of each number of clients, in this process."""
    opened = _watership if place.peer == "watership" else _dbos
    clients = case.clients if place.peer == "watership" else case.clients[:1]
    async with opened(place) as run:
        numbers = itertools.count()
        for _ in range(case.warm_up):
            await run(next(numbers))
        return [await _loaded(place, run, numbers, each, case.seconds) for each in clients]


async def _loaded(
    place: Place, run: Run, numbers: itertools.count[int], clients: int, seconds: float
) -> Engine:
    meter, runs = Meter(place.servers), 0
    reading, began = meter.read(), time.perf_counter()

    async def client() -> None:
        nonlocal runs
        while time.perf_counter() < began + seconds:
            await run(next(numbers))
            runs += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    took = time.perf_counter() - began
    cost = reading.cost(meter.read(), jobs=runs, seconds=took)
    return Engine(peer=place.peer, clients=clients, runs=runs, seconds=took, cost=cost)


@asynccontextmanager
async def _watership(place: Place) -> AsyncIterator[Run]:
    """Committer and worker; a client hears the bell of a run's end. All results are read back afterwards."""
    from benchmarks import on_watership
    from benchmarks.peers.on_watership import PEER
    from watership.wiring.process import look_for_garbage_less_often

    look_for_garbage_less_often()  # as every process of ours does
    await asyncio.to_thread(PEER.prepare, place)
    accepted: dict[str, int] = {}
    async with on_watership.opened_at(place.postgres) as engine:

        async def run(number: int) -> None:
            run_id = await engine.submit(number)
            accepted[run_id] = number
            await engine.ended(run_id)

        yield run
    if found := await wrong(place.postgres, accepted, STEPS):
        raise WrongResult(f"{len(found)} runs, among them: {'; '.join(found[:5])}")


@asynccontextmanager
async def _dbos(place: Place) -> AsyncIterator[Run]:
    from dbos import DBOS

    from benchmarks.peers.on_dbos import launched, three_steps

    async with launched(place):

        async def run(number: int) -> None:
            handle = await DBOS.start_workflow_async(three_steps, number)
            result = await handle.get_result()
            if result != number + STEPS:
                raise WrongResult(f"A run with input {number} gave {result}, not {number + STEPS}.")

        yield run
