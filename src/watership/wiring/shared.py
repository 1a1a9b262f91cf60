"""What processes share beside the store: a cache, counters and a fan-out; Redis where there is one, else their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from watership.adapters.memory.cache import MemoryCache
from watership.adapters.memory.fanout import MemoryFanout
from watership.adapters.memory.limiter import MemoryLimiter
from watership.durable.clock import Clock
from watership.durable.ports import Observer
from watership.fleet.cache import Cache, DegradingCache
from watership.fleet.fanout import Fanout
from watership.fleet.limit import DegradingLimiter, Limiter

Probe = Callable[[], Awaitable[object]]
"""One real round trip; raises when there is no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """`probe` is None where no Redis is configured. None of the three ever raises Unavailable."""

    cache: Cache
    limiter: Limiter
    fanout: Fanout
    probe: Probe | None
    adapter: str


@asynccontextmanager
async def open_shared(url: str, clock: Clock, observer: Observer) -> AsyncIterator[Shared]:
    """Open what `cache.url` names; without one, each process caches, counts and tells for itself."""
    cache, limiter = MemoryCache(clock), MemoryLimiter(clock)
    if not url:
        words = "embedded: each process caches and counts for itself"
        yield Shared(cache=cache, limiter=limiter, fanout=MemoryFanout(), probe=None, adapter=words)
        return
    from watership.adapters.redis.cache import RedisCache
    from watership.adapters.redis.fanout import RedisFanout
    from watership.adapters.redis.limiter import RedisLimiter
    from watership.adapters.redis.link import RedisLink

    async with RedisLink(url, clock, observer) as link, RedisFanout(link, observer) as fanout:
        yield Shared(
            cache=DegradingCache(RedisCache(link), cache),
            limiter=DegradingLimiter(RedisLimiter(link), limiter),
            fanout=fanout,
            probe=link.ping,
            adapter="redis",
        )
