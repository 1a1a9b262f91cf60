"""A cache that all processes share."""

from __future__ import annotations

from watership.adapters.redis.link import RedisLink
from watership.fleet.cache import ENTRY_BYTES


class RedisCache:
    """A Cache. Raises Unavailable while Redis does not answer."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def get(self, key: str) -> bytes | None:
        value = await self._link.ask(lambda client: client.get(key))
        assert not isinstance(value, str), "the link does not decode"
        return value

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        if len(value) > ENTRY_BYTES:
            await self.forget(key)
            return
        # Every key has an end, so that a Redis without a memory limit does not fill up.
        await self._link.ask(lambda client: client.set(key, value, px=max(1, round(seconds * 1000))))

    async def forget(self, key: str) -> None:
        await self._link.ask(lambda client: client.unlink(key))
