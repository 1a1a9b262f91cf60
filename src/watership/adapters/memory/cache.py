"""A cache in one process, bounded: what was used longest ago is forgotten first."""

from __future__ import annotations

from collections import OrderedDict

from watership.durable.clock import Clock
from watership.fleet.cache import ENTRY_BYTES

TOTAL_BYTES = 16 * 1024 * 1024
"""Of all values: some thousand runs, and little beside the 45 MB of an idle process."""

ENTRIES = 10_000
"""Small values cost more than their bytes."""


class MemoryCache:
    """A Cache for the tasks of one event loop."""

    def __init__(self, clock: Clock, *, total_bytes: int = TOTAL_BYTES, entries: int = ENTRIES) -> None:
        self._clock = clock
        self._total_bytes = total_bytes
        self._entries = entries
        self._values: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0

    async def get(self, key: str) -> bytes | None:
        found = self._values.get(key)
        if found is None:
            return None
        value, until = found
        if self._clock.monotonic() >= until:
            self._drop(key)
            return None
        self._values.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        self._drop(key)
        if len(value) > ENTRY_BYTES:
            return
        self._values[key] = value, self._clock.monotonic() + seconds
        self._bytes += len(value)
        while self._bytes > self._total_bytes or len(self._values) > self._entries:
            self._drop(next(iter(self._values)))

    async def forget(self, key: str) -> None:
        self._drop(key)

    def _drop(self, key: str) -> None:
        value, _ = self._values.pop(key, (b"", 0.0))
        self._bytes -= len(value)
