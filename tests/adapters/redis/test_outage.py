"""Redis killed, frozen, flushed, restarted: nobody gets an error, nobody waits, and it comes back by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests.conftest import started
from tests.notes import Notes
from watership.adapters.redis.cache import RedisCache
from watership.adapters.redis.fanout import RedisFanout
from watership.adapters.redis.limiter import RedisLimiter
from watership.adapters.redis.link import CALLS, REST_SECONDS, RedisLink
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Unavailable
from watership.fleet.fanout import GAP
from watership.testing.servers import RedisServer
from watership.wiring.shared import Shared, open_shared

PATIENCE = 0.5
SLACK = 0.4
"""Seconds: what a busy machine may add to that bound before the bound is in doubt."""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """One of its own: it is killed."""
    yield from started(RedisServer)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def link(server: RedisServer, notes: Notes) -> AsyncIterator[RedisLink]:
    # Longer than in production: a busy machine must not look like an outage.
    async with RedisLink(server.url, SystemClock(), notes, call_seconds=PATIENCE) as link:
        yield link


@pytest.fixture
async def shared(server: RedisServer, notes: Notes) -> AsyncIterator[Shared]:
    async with open_shared(server.url, SystemClock(), notes) as shared:
        yield shared


async def back(link: RedisLink) -> None:
    """Until Redis is asked again, and answers."""
    async with asyncio.timeout(20):
        while True:
            try:
                await link.ask(lambda client: client.ping())
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


# --- the link --------------------------------------------------------------------------------


async def test_a_frozen_redis_costs_one_short_wait_and_then_nothing(
    server: RedisServer, link: RedisLink, notes: Notes
) -> None:
    cache = RedisCache(link)
    await cache.put("a", b"1", seconds=60)
    server.freeze()
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await cache.get("a")
        assert PATIENCE * 0.9 <= time.monotonic() - began < PATIENCE + SLACK
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(Unavailable):
                await cache.get("a")
        assert time.monotonic() - began < SLACK
        assert link.lost
    finally:
        server.thaw()
    await back(link)
    assert await cache.get("a") == b"1"
    assert notes.events == ["redis lost", "redis back"]


async def test_after_a_rest_one_call_is_let_through_and_the_others_do_not_wait_for_it(
    server: RedisServer, link: RedisLink
) -> None:
    cache = RedisCache(link)
    server.freeze()
    try:
        with pytest.raises(Unavailable):
            await cache.get("a")
        await asyncio.sleep(REST_SECONDS + 0.05)
        trial = asyncio.create_task(cache.get("a"))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="not asked now"):
            await cache.get("a")
        with pytest.raises(Unavailable, match="did not answer"):
            await trial
    finally:
        server.thaw()


async def test_an_answer_that_comes_too_late_is_never_taken_for_anothers(
    server: RedisServer, link: RedisLink
) -> None:
    cache = RedisCache(link)
    for number in range(20):
        await cache.put(f"k{number}", f"v{number}".encode(), seconds=60)
    server.freeze()
    late = [asyncio.create_task(cache.get(f"k{number}")) for number in range(20)]
    failed = await asyncio.gather(*late, return_exceptions=True)
    assert all(isinstance(each, Unavailable) for each in failed)
    server.thaw()
    await back(link)
    found = [await cache.get(f"k{number}") for number in reversed(range(20))]
    assert found == [f"v{number}".encode() for number in reversed(range(20))]


async def test_a_killed_redis_is_found_again_when_it_is_back(server: RedisServer, link: RedisLink) -> None:
    cache = RedisCache(link)
    await cache.put("a", b"1", seconds=60)
    server.kill()
    with pytest.raises(Unavailable):
        await cache.get("a")
    with pytest.raises(Unavailable):
        await link.ping()
    server.start()
    await link.ping()  # the probe asks anew, whatever failed before
    await back(link)
    assert await cache.get("a") == b"1"


async def test_a_flushed_redis_still_counts_though_its_scripts_are_gone(
    server: RedisServer, link: RedisLink
) -> None:
    limiter = RedisLimiter(link)
    assert (await limiter.take("a", limit=2, seconds=3600)).left == 1
    server.flush()
    await link.ask(lambda client: client.script_flush())
    assert (await limiter.take("a", limit=2, seconds=3600)).left == 1


async def test_more_calls_than_redis_can_hear_are_refused_and_are_no_failure_of_redis(
    link: RedisLink,
) -> None:
    await link.ask(lambda client: client.ping())
    hold = asyncio.Event()
    busy = [asyncio.create_task(link.ask(lambda _: hold.wait())) for _ in range(CALLS)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="more than it can hear"):
        await link.ask(lambda client: client.ping())
    assert not link.lost
    hold.set()
    await asyncio.gather(*busy, return_exceptions=True)


async def test_what_is_no_address_of_a_redis_is_refused_at_the_start(notes: Notes) -> None:
    with pytest.raises(BadInput, match=r"cache\.url"):
        RedisLink("http://somewhere", SystemClock(), notes)


async def test_a_redis_that_was_never_there_is_an_outage_like_any(notes: Notes) -> None:
    async with open_shared("redis://127.0.0.1:9/0", SystemClock(), notes) as shared:
        await shared.cache.put("a", b"1", seconds=60)
        assert await shared.cache.get("a") == b"1"
        assert (await shared.limiter.take("a", limit=1, seconds=60)).allowed
        assert shared.probe is not None
        with pytest.raises(Unavailable):
            await shared.probe()


# --- what stands in for it -------------------------------------------------------------------


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_without_redis_each_process_caches_and_counts_for_itself(
    server: RedisServer, shared: Shared, how: str
) -> None:
    async with asyncio.timeout(20):
        # Until there is a line to Redis this process counts by itself.
        while await shared.cache.get("shared") != b"1":
            await shared.cache.put("shared", b"1", seconds=60)
    await shared.limiter.take("a", limit=2, seconds=3600)
    getattr(server, how)()
    try:
        assert await shared.cache.get("shared") is None
        await shared.cache.put("own", b"2", seconds=60)
        assert await shared.cache.get("own") == b"2"
        taken = [await shared.limiter.take("a", limit=2, seconds=3600) for _ in range(3)]
        assert [one.allowed for one in taken] == [True, True, False]
    finally:
        server.start() if how == "kill" else server.thaw()
    async with asyncio.timeout(20):
        while await shared.cache.get("shared") != b"1":
            await asyncio.sleep(0.05)


async def test_a_listener_is_told_of_the_gap_when_redis_was_away(
    server: RedisServer, link: RedisLink, notes: Notes
) -> None:
    async with RedisFanout(link, notes) as here, RedisFanout(link, notes) as there, there.listen("a") as ear:
        await _until_heard(here, ear.next, b"before")
        while await ear.next(0.2) is not None:
            pass
        server.kill()
        here.publish("a", b"lost")
        server.start()
        async with asyncio.timeout(20):
            while await ear.next(1) != GAP:
                pass
        await _until_heard(here, ear.next, b"after")
    assert "line to redis lost" in notes.events


async def _until_heard(
    here: RedisFanout, listen: Callable[[float], Awaitable[bytes | None]], message: bytes
) -> None:
    async with asyncio.timeout(20):
        while True:
            here.publish("a", message)
            if await listen(0.2) == message:
                return
