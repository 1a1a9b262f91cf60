"""The caches, limiters and fan-outs that hold the contract: of one process, of Redis, and Redis with its stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.shared_suite import CacheSuite, FanoutSuite, LimiterSuite, TurnstileSuite
from tests.notes import Notes
from watership.adapters.files.fanout import FilesFanout
from watership.adapters.memory.cache import MemoryCache
from watership.adapters.memory.fanout import MemoryFanout
from watership.adapters.memory.limiter import MemoryLimiter
from watership.adapters.memory.turnstile import MemoryTurnstile
from watership.adapters.redis.cache import RedisCache
from watership.adapters.redis.fanout import RedisFanout
from watership.adapters.redis.limiter import RedisLimiter
from watership.adapters.redis.link import RedisLink
from watership.adapters.redis.turnstile import RedisTurnstile, keys_of
from watership.durable.clock import SystemClock
from watership.fleet.cache import Cache, DegradingCache
from watership.fleet.fanout import Fanout
from watership.fleet.limit import DegradingLimiter, Limiter
from watership.fleet.turnstile import FULL_SECONDS, DegradingTurnstile, Quota, Turnstile


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    # What is judged here is what it answers, and not how fast a busy machine is.
    async with RedisLink(redis_url, SystemClock(), Notes(), call_seconds=5) as link:
        yield link


class TestMemoryCache(CacheSuite):
    @pytest.fixture
    def cache(self) -> Cache:
        return MemoryCache(SystemClock())


class TestRedisCache(CacheSuite):
    @pytest.fixture
    def cache(self, link: RedisLink) -> Cache:
        return RedisCache(link)


class TestDegradingCache(CacheSuite):
    @pytest.fixture
    def cache(self, link: RedisLink) -> Cache:
        return DegradingCache(RedisCache(link), MemoryCache(SystemClock()))


class TestMemoryLimiter(LimiterSuite):
    @pytest.fixture
    def limiter(self) -> Limiter:
        return MemoryLimiter(SystemClock())


class TestRedisLimiter(LimiterSuite):
    @pytest.fixture
    def limiter(self, link: RedisLink) -> Limiter:
        return RedisLimiter(link)


class TestDegradingLimiter(LimiterSuite):
    @pytest.fixture
    def limiter(self, link: RedisLink) -> Limiter:
        return DegradingLimiter(RedisLimiter(link), MemoryLimiter(SystemClock()))


class TestMemoryTurnstile(TurnstileSuite):
    @pytest.fixture
    def turnstile(self) -> Turnstile:
        return MemoryTurnstile(SystemClock())


class TestRedisTurnstile(TurnstileSuite):
    @pytest.fixture
    def turnstile(self, link: RedisLink) -> Turnstile:
        return RedisTurnstile(link)

    async def test_a_place_whose_holder_died_is_free_when_its_time_is_over(self, link: RedisLink) -> None:
        turnstile, quota = RedisTurnstile(link), Quota(concurrency=1)
        assert await turnstile.enter("m", "dead", quota, 1) == 0.0
        assert await turnstile.enter("m", "a", quota, 1) == FULL_SECONDS
        _, places = keys_of("m")
        # As if its time had passed by: what the dead one said last lies before Redis' now.
        await link.client.zadd(places, {"dead": 1})
        assert await turnstile.enter("m", "a", quota, 1) == 0.0

    async def test_two_processes_share_the_places(self, link: RedisLink) -> None:
        quota = Quota(concurrency=1)
        assert await RedisTurnstile(link).enter("m", "a", quota, 1) == 0.0
        assert await RedisTurnstile(link).enter("m", "b", quota, 1) == FULL_SECONDS


class TestDegradingTurnstile(TurnstileSuite):
    @pytest.fixture
    def turnstile(self, link: RedisLink) -> Turnstile:
        return DegradingTurnstile(RedisTurnstile(link), MemoryTurnstile(SystemClock()))


class TestMemoryFanout(FanoutSuite):
    @pytest.fixture
    def two(self) -> tuple[Fanout, Fanout]:
        only = MemoryFanout()
        return only, only


class TestFilesFanout(FanoutSuite):
    @pytest.fixture
    async def two(self, tmp_path: Path) -> AsyncIterator[tuple[Fanout, Fanout]]:
        with (
            closing(FilesFanout(tmp_path / "fans")) as here,
            closing(FilesFanout(tmp_path / "fans")) as there,
        ):
            yield here, there


class TestRedisFanout(FanoutSuite):
    @pytest.fixture
    async def two(self, link: RedisLink) -> AsyncIterator[tuple[Fanout, Fanout]]:
        async with RedisFanout(link, Notes()) as here, RedisFanout(link, Notes()) as there:
            yield here, there
