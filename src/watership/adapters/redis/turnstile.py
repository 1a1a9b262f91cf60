"""A turnstile that all processes share, on Redis' own clock. A place of a process that died runs out."""

from __future__ import annotations

from typing import Final

from watership.adapters.redis.link import RedisLink
from watership.fleet.turnstile import CLOSED_MOST, FULL_SECONDS, MINUTE, PLACE_SECONDS, SPENT_SECONDS, Quota

TIME: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local length = tonumber(ARGV[1])
local number = math.floor(now / length)
local elapsed = (now - number * length) / length
local function counted(what)
  local kept = redis.call('HMGET', KEYS[1], what .. ':number', what .. ':before', what .. ':now')
  if tonumber(kept[1]) == number then return tonumber(kept[2]), tonumber(kept[3]) end
  if tonumber(kept[1]) == number - 1 then return tonumber(kept[3]), 0 end
  return 0, 0
end
local function count(what, amount)
  local before, already = counted(what)
  redis.call('HSET', KEYS[1], what .. ':number', number, what .. ':before', before,
    what .. ':now', math.max(0, already + amount))
end
local function remember()
  redis.call('PEXPIRE', KEYS[1], 600000)
  redis.call('PEXPIRE', KEYS[2], 600000)
end
"""
"""What every script begins with. Both keys are of one slot, so that it works on a cluster; ten minutes are longer than
a window, a place and a closure last."""

ENTER: Final = (
    TIME
    + """
local lease, concurrency = tonumber(ARGV[3]), tonumber(ARGV[4])
local closed = tonumber(redis.call('HGET', KEYS[1], 'closed') or 0)
if closed > now then return {1, closed - now} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if concurrency > 0 and redis.call('ZCARD', KEYS[2]) >= concurrency then return {2, 0} end
local shares = {{'requests', tonumber(ARGV[5]), 1}, {'tokens', tonumber(ARGV[6]), tonumber(ARGV[7])}}
for _, share in ipairs(shares) do
  local before, already = counted(share[1])
  if share[2] > 0 and before * (1 - elapsed) + already + math.min(share[3], share[2]) > share[2] then
    return {3, 0}
  end
end
for _, share in ipairs(shares) do count(share[1], share[3]) end
redis.call('ZADD', KEYS[2], now + lease, ARGV[2])
remember()
return {0, 0}
"""
)

KEEP: Final = (
    TIME
    + """
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[2])
remember()
return 0
"""
)

LEAVE: Final = (
    TIME
    + """
if redis.call('ZREM', KEYS[2], ARGV[2]) == 1 then count('tokens', tonumber(ARGV[3])) end
remember()
return 0
"""
)

CLOSE: Final = (
    TIME
    + """
local closed = tonumber(redis.call('HGET', KEYS[1], 'closed') or 0)
redis.call('HSET', KEYS[1], 'closed', math.max(closed, now + tonumber(ARGV[3])))
remember()
return 0
"""
)

MILLIS: Final = 1_000
CLOSED, FULL, SPENT = 1, 2, 3


def keys_of(model: str) -> list[str]:
    """Where a model's counts and places stand."""
    return [f"watership:v1:model:{{{model}}}:counts", f"watership:v1:model:{{{model}}}:places"]


class RedisTurnstile:
    """A Turnstile. Raises Unavailable while Redis does not answer."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._enter = link.client.register_script(ENTER)
        self._keep = link.client.register_script(KEEP)
        self._leave = link.client.register_script(LEAVE)
        self._close = link.client.register_script(CLOSE)

    async def enter(self, model: str, place: str, quota: Quota, tokens: int) -> float:
        arguments = [
            *_arguments(place, PLACE_SECONDS * MILLIS),
            quota.concurrency,
            quota.requests_per_minute,
            quota.tokens_per_minute,
            tokens,
        ]
        why, wait = await self._link.ask(lambda _: self._enter(keys=keys_of(model), args=arguments))
        waits: dict[int, float] = {CLOSED: int(wait) / MILLIS, FULL: FULL_SECONDS, SPENT: SPENT_SECONDS}
        return waits.get(why, 0.0)

    async def keep(self, model: str, place: str) -> None:
        arguments = _arguments(place, PLACE_SECONDS * MILLIS)
        await self._link.ask(lambda _: self._keep(keys=keys_of(model), args=arguments))

    async def leave(self, model: str, place: str, more: int) -> None:
        arguments = _arguments(place, more)
        await self._link.ask(lambda _: self._leave(keys=keys_of(model), args=arguments))

    async def close(self, model: str, seconds: float) -> None:
        arguments = _arguments("", min(seconds, CLOSED_MOST) * MILLIS)
        await self._link.ask(lambda _: self._close(keys=keys_of(model), args=arguments))


def _arguments(place: str, number: float) -> list[int | str]:
    return [round(MINUTE * MILLIS), place, round(number)]
