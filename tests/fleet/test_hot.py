"""Ended runs are read from the cache, running ones never; and what stands in the cache is not believed blindly."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from tests.contracts.world import ManualClock, World
from tests.notes import Notes
from watership.adapters.memory import MemoryStore
from watership.adapters.memory.cache import MemoryCache
from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.fleet.cache import ENTRY_BYTES
from watership.fleet.hot import HotRuns, key_of


class CountingStore(MemoryStore):
    """Knows how often it was asked for a run."""

    asked = 0

    async def get(self, run_id: RunId) -> Run | None:
        self.asked += 1
        return await super().get(run_id)


class Warm:
    """A world whose runs are hot."""

    def __init__(self) -> None:
        clock = ManualClock()
        self.store = CountingStore(clock)
        self.world = World(self.store, clock)
        self.cache = MemoryCache(clock)
        self.notes = Notes()
        self.hot = HotRuns(self.store, self.cache, self.notes)

    async def reads(self, run_id: str) -> tuple[Run | None, int]:
        """The run, and how often the store was asked for it."""
        before = self.store.asked
        return await self.hot.get(RunId(run_id)), self.store.asked - before


@pytest.fixture
def warm() -> Warm:
    return Warm()


async def test_an_ended_run_is_read_from_the_store_once_and_is_the_same_run(warm: Warm) -> None:
    await warm.world.finish(await warm.world.running("a"), result=msgspec.Raw(b'{"x": 1}'))
    first, asked_first = await warm.reads("a")
    again, asked_again = await warm.reads("a")
    assert (asked_first, asked_again) == (1, 0)
    assert first == again == await warm.store.get(RunId("a"))
    assert [facts["hit"] for facts in warm.notes.named("cache read")] == [False, True]


async def test_a_run_that_has_not_ended_and_one_that_is_not_there_are_always_asked_for(warm: Warm) -> None:
    await warm.world.running("a")
    for run_id in ("a", "a", "nobody", "nobody"):
        assert (await warm.reads(run_id))[1] == 1
        assert await warm.cache.get(key_of(RunId(run_id))) is None


async def test_the_newest_ended_runs_are_there_from_the_start(warm: Warm) -> None:
    for name in ("old", "new"):
        await warm.world.finish(await warm.world.running(name))
    await warm.world.running("alive")
    assert await warm.hot.warm(limit=1) == 1
    assert [(await warm.reads(name))[1] for name in ("new", "old", "alive")] == [0, 1, 1]


async def test_a_run_too_large_for_the_cache_is_read_where_it_is(warm: Warm) -> None:
    large = msgspec.Raw(msgspec.json.encode("x" * ENTRY_BYTES))
    await warm.world.finish(await warm.world.running("a"), result=large)
    assert [(await warm.reads("a"))[1] for _ in range(2)] == [1, 1]


async def test_what_stands_under_a_runs_key_and_is_not_that_run_ended_is_thrown_away(warm: Warm) -> None:
    ended = await warm.world.running("a")
    await warm.world.finish(ended)
    true = await warm.store.get(RunId("a"))
    assert true is not None
    another = msgspec.json.encode(replace(true, id=RunId("b"), tenant="down"))
    for planted in (b"", b"{}", b"\xff", another, msgspec.json.encode(ended)):
        await warm.cache.put(key_of(RunId("a")), planted, seconds=60)
        found, asked = await warm.reads("a")
        assert (found, asked) == (true, 1)
