"""Records in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from watership.releases.auditing.audit import Audit
from watership.releases.readiness.binding import entry_of
from watership.releases.readiness.records import Record


class MemoryRecords:
    """The records of releases, as long as the process lives; each is in the audit, as one on disk would be."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._of: defaultdict[str, list[Record]] = defaultdict(list)

    async def add(self, release: str, record: Record) -> None:
        line, number = msgspec.json.encode(record), len(self._of[release]) + 1
        self._audit.append(*entry_of(release, record, line, number))
        self._of[release].append(record)

    async def all(self, release: str) -> Sequence[Record]:
        return tuple(self._of[release])
