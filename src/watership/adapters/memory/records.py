"""Records in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from watership.releases.readiness.records import Record


class MemoryRecords:
    """The records of releases, as long as the process lives."""

    def __init__(self) -> None:
        self._of: defaultdict[str, list[Record]] = defaultdict(list)

    async def add(self, release: str, record: Record) -> None:
        self._of[release].append(record)

    async def all(self, release: str) -> Sequence[Record]:
        return tuple(self._of[release])
