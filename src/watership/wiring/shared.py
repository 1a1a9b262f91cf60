"""What processes share beside the store: a cache, counters and a fan-out; Redis where there is one, else their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from watership.adapters.memory.cache import MemoryCache
from watership.adapters.memory.fanout import MemoryFanout
from watership.adapters.memory.limiter import MemoryLimiter
from watership.adapters.memory.turnstile import MemoryTurnstile
from watership.durable.clock import Clock
from watership.durable.ids import random_ids
from watership.durable.ports import Observer
from watership.errors import Unavailable
from watership.fleet.cache import Cache, DegradingCache
from watership.fleet.fanout import Fanout
from watership.fleet.limit import DegradingLimiter, Limiter
from watership.fleet.turnstile import DegradingTurnstile, Turnstile

Probe = Callable[[], Awaitable[object]]
"""One real round trip; raises when there is no answer."""

PROBE_SECONDS = 10.0
"""How long what a probe put in is kept at most: it is taken out at once."""

TURN_SECONDS = 1.0
"""For Redis to say whether a model call has its turn: the call takes seconds, and without the word each process would
allow itself the whole quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """`probe` asks Redis, or what stands in for it where none is configured. None of the three raises Unavailable."""

    cache: Cache
    limiter: Limiter
    fanout: Fanout
    turnstile: Turnstile
    own_turnstile: Turnstile
    probe: Probe
    adapter: str


@asynccontextmanager
async def open_shared(url: str, clock: Clock, observer: Observer) -> AsyncIterator[Shared]:
    """Open what `cache.url` names; without one, each process caches, counts and tells for itself."""
    cache, limiter, own = MemoryCache(clock), MemoryLimiter(clock), MemoryTurnstile(clock)
    if not url:
        words = "embedded: each process caches and counts for itself"
        yield Shared(
            cache=cache,
            limiter=limiter,
            fanout=MemoryFanout(),
            turnstile=own,
            own_turnstile=own,
            probe=kept_once(cache),
            adapter=words,
        )
        return
    from watership.adapters.redis.cache import RedisCache
    from watership.adapters.redis.fanout import RedisFanout
    from watership.adapters.redis.limiter import RedisLimiter
    from watership.adapters.redis.link import RedisLink
    from watership.adapters.redis.turnstile import RedisTurnstile

    async with (
        RedisLink(url, clock, observer) as link,
        # A line of its own, which connects when a model has a quota.
        RedisLink(url, clock, observer, call_seconds=TURN_SECONDS) as turns,
        RedisFanout(link, observer) as fanout,
    ):
        yield Shared(
            cache=DegradingCache(RedisCache(link), cache),
            limiter=DegradingLimiter(RedisLimiter(link), limiter),
            fanout=fanout,
            turnstile=DegradingTurnstile(RedisTurnstile(turns), own),
            own_turnstile=own,
            probe=link.ping,
            adapter="redis",
        )


def kept_once(cache: Cache) -> Probe:
    """The round trip of a cache: what is put in comes out again."""
    new_id = random_ids()

    async def probe() -> None:
        key, value = f"probe/{new_id()}", new_id().encode()
        await cache.put(key, value, seconds=PROBE_SECONDS)
        found = await cache.get(key)
        await cache.forget(key)
        if found != value:
            raise Unavailable("The cache of this process does not give back what it was given.")

    return probe
