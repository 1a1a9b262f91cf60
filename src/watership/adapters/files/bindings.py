"""What binds the records of releases, followed in the audit's file: what was read before is known by its bytes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

from watership.adapters.files.appending import split
from watership.adapters.files.audit import read_head
from watership.releases.auditing.audit import GENESIS, AuditBroken, Broken, Entry, decode, verify
from watership.releases.auditing.head import Head, Kept, seal_fault
from watership.releases.readiness.binding import Bound, binds


class Bindings:
    """The bonds of each release. What was followed once is followed again unless it is the same bytes still."""

    def __init__(self, audit: Path, *, secret: str) -> None:
        self._audit = audit
        self._secret = secret
        self._turn = threading.Lock()
        self._begin()

    def of(self, release: str) -> Sequence[Bound]:
        """What binds the records of a release, in their order, at this moment. Raises AuditBroken."""
        with self._turn:
            self._follow()
            return tuple(self._bound.get(release, ()))

    def releases(self) -> Sequence[str]:
        """The releases of which the audit has records."""
        with self._turn:
            self._follow()
            return tuple(self._bound)

    def _begin(self) -> None:
        self._size = 0
        self._bytes = hashlib.sha256()
        self._digests: list[str] = []
        self._bound: dict[str, list[Bound]] = {}

    def _follow(self) -> None:
        # The head before the log, which may grow meanwhile and must not seem cut.
        kept, content = read_head(self._audit), self._read()
        before = content[: self._size]
        if hashlib.sha256(before).digest() != self._bytes.digest():
            self._begin()
        fresh = split(content[self._size :], self._size)
        self._take([decode(line) for line in fresh.whole])
        self._bytes.update(content[self._size : fresh.size])
        self._size = fresh.size
        self._require_head(kept)

    def _read(self) -> bytes:
        try:
            return self._audit.read_bytes()
        except FileNotFoundError:
            return b""

    def _take(self, entries: Sequence[Entry | None]) -> None:
        count = len(self._digests)
        state = verify(entries, after=(count, self._digests[-1] if count else GENESIS))
        if isinstance(state, Broken):
            self._begin()
            raise AuditBroken(str(self._audit), state)
        for entry in entries:
            assert entry is not None, "it was verified"
            self._digests.append(entry.digest)
            if (pair := binds(entry)) is not None:
                self._bound.setdefault(pair[0], []).append(pair[1])

    def _require_head(self, kept: Kept) -> None:
        count = len(self._digests)
        fault = None if kept is None and not count else seal_fault(kept, self._secret)
        if fault is None and isinstance(kept, Head):
            if kept.count > count:
                fault = f"the record ends here, and {kept.count} entries were written"
            elif kept.count and self._digests[kept.count - 1] != kept.digest:
                fault = f"entry {kept.count} is not the one that the head names"
        if fault is not None:
            raise AuditBroken(str(self._audit), Broken(count + 1, fault))
