"""Counters that all processes share, on Redis' own clock, so that clocks that differ do not make more of them."""

from __future__ import annotations

from typing import Final

from watership.adapters.redis.link import RedisLink
from watership.fleet.limit import Allowance, Window, judge

TAKE: Final = """
local limit, length = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local number = math.floor(micros / length)
local elapsed = (micros - number * length) / length
local kept = redis.call('HMGET', KEYS[1], 'number', 'before', 'now')
local before, now = 0, 0
if tonumber(kept[1]) == number then
  before, now = tonumber(kept[2]), tonumber(kept[3])
elseif tonumber(kept[1]) == number - 1 then
  before = tonumber(kept[3])
end
if before * (1 - elapsed) + now + 1 <= limit then
  redis.call('HSET', KEYS[1], 'number', number, 'before', before, 'now', now + 1)
  redis.call('PEXPIRE', KEYS[1], math.ceil(length / 500))
end
return {before, now, math.floor(elapsed * 1000000)}
"""
"""One key, so that it works on a cluster; counted only if there is room, as `fleet.limit.judge` says it."""

SCALE: Final = 1_000_000
"""A script returns whole numbers: how far the window is comes in millionths, and lengths go in microseconds."""


def key_of(caller: str) -> str:
    """Where a caller's count stands."""
    return f"watership:v1:limit:{caller}"


class RedisLimiter:
    """A Limiter. Raises Unavailable while Redis does not answer."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        # Sent by its digest, and anew when Redis was restarted or flushed.
        self._take = link.client.register_script(TAKE)

    async def take(self, key: str, *, limit: int, seconds: float) -> Allowance:
        arguments = [limit, round(seconds * SCALE)]
        before, now, elapsed = await self._link.ask(lambda _: self._take(keys=[key_of(key)], args=arguments))
        return judge(Window(before, now, elapsed / SCALE), limit=limit, seconds=seconds)
