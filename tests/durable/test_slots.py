"""A worker holds no more runs than it has slots, and whoever waits for a result hears of the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from tests.notes import Notes
from watership.adapters.memory.bell import MemoryBell
from watership.adapters.memory.store import MemoryStore
from watership.adapters.memory.witness import MemoryWitness
from watership.durable.clock import SystemClock
from watership.durable.committer import Committer
from watership.durable.ids import DeploymentId, RunId, WorkerId, seeded_ids
from watership.durable.ports import end_topic, run_topic
from watership.durable.program import Program
from watership.durable.run import DEFAULT_POOL
from watership.durable.states import RunState
from watership.durable.worker import Worker, WorkerSettings
from watership.durable.writes import Cancel, Submit

HERE = DeploymentId("here")


class Crowd:
    """A program whose runs stay inside until they are let go, and how many were inside at once."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.go = asyncio.Event()

    async def call(self, given: msgspec.Raw) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.go.wait()
        self.inside -= 1


@asynccontextmanager
async def working(
    crowd: Crowd, slots: int, runs: int
) -> AsyncIterator[tuple[MemoryStore, MemoryBell, Committer]]:
    clock, bell, store, new_id = SystemClock(), MemoryBell(), MemoryStore(), seeded_ids(1)
    async with Committer(store, bell, clock) as committer:
        for number in range(runs):
            run = Submit(
                run_id=RunId(f"r{number}"), program="crowd", input=msgspec.Raw(b"1"), deployment=HERE
            )
            await committer.submit(run)
        worker = Worker(
            id=WorkerId("w"),
            deployment=HERE,
            pool=DEFAULT_POOL,
            programs={"crowd": Program("crowd", crowd.call)},
            committer=committer,
            runs=store,
            bell=bell,
            witness=MemoryWitness(),
            clock=clock,
            new_id=new_id,
            observer=Notes(),
            settings=WorkerSettings(slots=slots),
        )
        task = asyncio.create_task(worker.run())
        yield store, bell, committer
        crowd.go.set()
        await worker.drain(5.0)
        await task


async def test_a_worker_never_holds_more_runs_than_it_has_slots() -> None:
    crowd = Crowd()
    async with working(crowd, slots=2, runs=7) as (store, bell, _):
        while crowd.inside < 2:
            await asyncio.sleep(0)
        for _ in range(100):  # what a worker that claims too much would need to show it
            await asyncio.sleep(0)
        assert crowd.most == 2
        crowd.go.set()
        for number in range(7):
            await ended(store, bell, RunId(f"r{number}"))
        assert crowd.most == 2


async def test_the_end_of_a_run_rings_for_those_who_wait_for_its_result() -> None:
    crowd = Crowd()
    async with working(crowd, slots=1, runs=1) as (_, bell, _):
        crowd.go.set()
        assert await bell.wait(frozenset({end_topic(RunId("r0"))}), 5.0)


async def test_a_run_that_is_cancelled_before_it_began_rings_too() -> None:
    crowd = Crowd()
    async with working(crowd, slots=1, runs=2) as (store, bell, committer):
        while not crowd.inside:
            await asyncio.sleep(0)
        topics = frozenset({end_topic(RunId("r1")), run_topic(RunId("r1"))})
        await committer.write(Cancel(run_id=RunId("r1")))
        assert await bell.wait(topics, 5.0) == topics
        run = await store.get(RunId("r1"))
        assert run is not None and run.state is RunState.CANCELLED


async def ended(store: MemoryStore, bell: MemoryBell, run_id: RunId) -> None:
    while True:
        run = await store.get(run_id)
        if run is not None and run.ended:
            return
        await bell.wait(frozenset({end_topic(run_id)}), 0.1)
