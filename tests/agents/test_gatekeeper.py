"""The gatekeeper keeps what waits bounded, whatever comes; what it does not know it does not take for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.contracts.world import GREEN, POOL, WORKER, ManualClock, submission
from tests.notes import Notes
from watership.adapters.memory import MemoryStore
from watership.agents.gatekeeper import LOOK_SECONDS, STALE_SECONDS, Gatekeeper, looking
from watership.durable.clock import SystemClock
from watership.durable.ids import DeploymentId
from watership.durable.ports import Backlog
from watership.durable.writes import Claim, Claimed, Renew
from watership.errors import Unavailable
from watership.fleet.admission import BACKLOG_FLOOR, BACKLOG_SECONDS, Overdue


class World:
    """A memory store in a time that goes on when it is told to; `come` and `work` are per look of the gatekeeper."""

    def __init__(self, seconds: float = BACKLOG_SECONDS) -> None:
        self.clock, self.notes = ManualClock(), Notes()
        self.store = MemoryStore(self.clock)
        self.gatekeeper = Gatekeeper(self.store, self.store, self.clock, self.notes, seconds=seconds)
        self.made = 0

    async def begin(self) -> None:
        await self.store.set_weights({GREEN: 100}, epoch=1)
        await self.store.write(
            [Renew(worker=WORKER, deployment=GREEN, pool=POOL, slots=8, runs={}, lease_seconds=60)]
        )
        await self.gatekeeper.look()

    async def come(self, messages: int) -> int:
        """How many of `messages` were refused."""
        refused = 0
        for _ in range(messages):
            try:
                self.gatekeeper.admit()
            except Overdue as error:
                assert 1 <= error.retry_after <= 30
                refused += 1
                continue
            self.made += 1
            await self.store.write([submission(f"r{self.made}", deployment=GREEN)])
        return refused

    async def work(self, runs: int) -> None:
        claim = Claim(
            worker=WORKER, deployment=GREEN, pool=POOL, limit=runs, lease_seconds=60, poison_limit=5
        )
        (outcome,) = (await self.store.write([claim])).outcomes
        assert isinstance(outcome, Claimed)

    async def waits(self) -> int:
        return (await self.store.backlog([GREEN], limit=100_000)).ready


async def test_three_times_what_is_worked_off_lets_the_backlog_grow_to_its_bound_and_no_further() -> None:
    world = World()
    await world.begin()
    refused, longest, per_look = 0, 0, 60
    for _ in range(120):  # thirty seconds
        refused += await world.come(3 * per_look)
        await world.work(per_look)
        world.clock.go_on(LOOK_SECONDS)
        await world.gatekeeper.look()
        longest = max(longest, await world.waits())
    bound = BACKLOG_SECONDS * per_look / LOOK_SECONDS
    assert BACKLOG_FLOOR < longest <= 1.2 * bound
    assert refused > 120 * per_look  # of the two thirds that nobody could do, after what may wait
    assert world.notes.count("new work refused") >= 1


async def test_the_backlog_is_taken_up_again_once_it_was_worked_off() -> None:
    world = World()
    await world.begin()
    for _ in range(40):
        await world.come(200)
        await world.work(20)
        world.clock.go_on(LOOK_SECONDS)
        await world.gatekeeper.look()
    assert await world.come(200) > 0
    await world.work(10_000)
    world.clock.go_on(LOOK_SECONDS)
    await world.gatekeeper.look()
    assert await world.come(1) == 0
    assert world.notes.events[-1] == "new work taken again"


async def test_a_burst_between_two_looks_is_bounded_too() -> None:
    world = World()
    await world.begin()
    await world.come(BACKLOG_FLOOR)
    for _ in range(8):
        await world.work(10)
        world.clock.go_on(LOOK_SECONDS)
        await world.gatekeeper.look()
    await world.come(5_000)
    assert await world.waits() <= BACKLOG_FLOOR + 1


async def test_without_limit_everything_is_let_in() -> None:
    world = World(seconds=0)
    await world.begin()
    world.clock.go_on(2 * STALE_SECONDS)
    assert await world.come(2_000) == 0


async def test_a_count_that_is_old_lets_nobody_in_for_unknown_is_not_empty() -> None:
    world = World()
    await world.begin()
    assert await world.come(1) == 0
    world.clock.go_on(STALE_SECONDS + 0.1)
    with pytest.raises(Unavailable, match="store does not answer") as refused:
        world.gatekeeper.admit()
    assert not isinstance(refused.value, Overdue), "it is no fault of who asks"


async def test_a_gatekeeper_looks_again_after_an_error_that_nobody_expected() -> None:
    world = World()
    await world.begin()
    looks = 0

    class Broken(MemoryStore):
        async def backlog(self, deployments: Sequence[DeploymentId], *, limit: int) -> Backlog:
            nonlocal looks
            looks += 1
            raise ValueError("a mistake of ours")

    store = Broken(world.clock)
    gatekeeper = Gatekeeper(store, world.store, SystemClock(), world.notes, seconds=BACKLOG_SECONDS)
    async with looking(gatekeeper), asyncio.timeout(10):
        while looks < 2:
            await asyncio.sleep(0.01)
    assert "turn failed" in world.notes.events
