"""The audit as a file: one entry a line, on disk before it is returned."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType

from watership.adapters.files.replace import sync_folder
from watership.releases.audit import (
    AuditBroken,
    Broken,
    Entry,
    Fact,
    Verified,
    chain,
    decode,
    encode,
    verify,
)

# Only the owner writes; auditors read through the group.
FILE_MODE = 0o640


class AuditFile:
    """Appends to a chain of entries in `path`. Several processes may write it: each append takes the lock.

    A last line without its end was never acknowledged: a crash cut it off. It is removed, and the removal is
    the next entry. Everything else that does not fit raises AuditBroken.
    """

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self.path = path
        self._now = now
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        self._last: Entry | None = None
        self._size = -1
        try:
            with self._locked():
                self._catch_up()
        except BaseException:
            os.close(self._file)
            raise

    def append(self, actor: str, action: str, facts: Mapping[str, Fact]) -> Entry:
        with self._locked():
            self._catch_up()
            return self._append(actor, action, facts)

    def _append(self, actor: str, action: str, facts: Mapping[str, Fact]) -> Entry:
        entry = chain(self._last, at=self._now(), actor=actor, action=action, facts=facts)
        line = encode(entry) + b"\n"
        self._write(line)
        self._last = entry
        self._size += len(line)
        return entry

    def entries(self) -> list[Entry]:
        """Every entry. Raises AuditBroken."""
        found = read(self.path)
        state = verify(found)
        if isinstance(state, Broken):
            raise AuditBroken(str(self.path), state)
        return [entry for entry in found if entry is not None]

    def verify(self, head: str | None = None) -> Verified | Broken:
        return verify(read(self.path), head=head)

    @property
    def head(self) -> str | None:
        """The digest of the last entry: note it elsewhere, and a cut end will be seen."""
        return self._last.digest if self._last else None

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> AuditFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Appends are short, so whoever comes second waits."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        """Read what others wrote since; nothing to do when the file is as long as we left it."""
        if os.fstat(self._file).st_size == self._size:
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        entries = _entries(content[:whole])
        state = verify(entries)
        if isinstance(state, Broken):
            raise AuditBroken(str(self.path), state)
        self._last, self._size = (entries[-1] if entries else None), whole
        if whole == 0:
            sync_folder(self.path.parent)
        if whole < len(content):
            os.ftruncate(self._file, whole)
            self._append("watership", "audit.torn_line_removed", {"bytes": len(content) - whole})

    def _write(self, line: bytes) -> None:
        """Write at the end, whole or not at all."""
        start = os.lseek(self._file, 0, os.SEEK_END)
        try:
            left = line
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, start)
            raise


def read(path: Path) -> list[Entry | None]:
    """The lines of a record, None for each that is no entry. A last line without its end is left out."""
    content = path.read_bytes()
    return _entries(content[: content.rfind(b"\n") + 1])


def _entries(content: bytes) -> list[Entry | None]:
    return [decode(line) for line in content.split(b"\n")[:-1]]
