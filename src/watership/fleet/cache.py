"""A cache keeps what never changes where it is read fast; nothing is lost when it forgets everything."""

from __future__ import annotations

from typing import Final, Protocol

from watership.errors import Unavailable

ENTRY_BYTES: Final = 64 * 1024
"""Of one value; larger ones are read where they are. A cache of large values is the store over again."""


class Cache(Protocol):
    """Values under keys, for a while. It may forget at any moment.

    A shared one raises Unavailable when it does not answer, within some ten milliseconds.
    """

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Keep `value` for so long. One above ENTRY_BYTES is not kept."""

    async def forget(self, key: str) -> None: ...


class DegradingCache:
    """A shared cache, and while it does not answer, one of this process. It never raises Unavailable."""

    def __init__(self, shared: Cache, own: Cache) -> None:
        self._shared = shared
        self._own = own

    async def get(self, key: str) -> bytes | None:
        try:
            return await self._shared.get(key)
        except Unavailable:
            return await self._own.get(key)

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        try:
            await self._shared.put(key, value, seconds=seconds)
        except Unavailable:
            await self._own.put(key, value, seconds=seconds)

    async def forget(self, key: str) -> None:
        # Both: what this process kept while the shared one was away must not come back the next time.
        await self._own.forget(key)
        try:
            await self._shared.forget(key)
        except Unavailable:
            return  # it forgets by itself when the entry's time is over
