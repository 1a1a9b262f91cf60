"""The audit as a file: one entry a line, on disk before it is returned, and its head in a file beside it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType

from watership.adapters.files.appending import (
    FILE_MODE,
    all_or_nothing,
    append,
    lines_in,
    lines_of,
    locked,
)
from watership.adapters.files.replace import swap, sync_folder
from watership.errors import BadInput, NotFound
from watership.releases.auditing import head as heads
from watership.releases.auditing.audit import (
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
from watership.releases.auditing.head import Head, Kept, checked, end_fault, head_of, seal_fault


class AuditFile:
    """Appends to a chain of entries in `path`. Several processes may write it: each append takes the lock.

    A last line without its end was never acknowledged: a crash cut it off. It is removed, and the removal is
    the next entry. Entries after the head are kept, and counted in the next entry: the crash came before the head was
    replaced. Everything else that does not fit raises AuditBroken.
    """

    def __init__(self, path: Path, now: Callable[[], datetime], *, secret: str) -> None:
        self.path = path
        self._now = now
        self._secret = secret
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        self._last: Entry | None = None
        self._size = -1
        self._needs_secret = False
        # Of the threads of this process: the file's lock is one for all of them.
        self._turn = threading.Lock()
        try:
            with locked(self._file):
                self._catch_up()
        except BaseException:
            os.close(self._file)
            raise

    def append(self, actor: str, action: str, facts: Mapping[str, Fact]) -> Entry:
        with self._turn, locked(self._file):
            self._catch_up()
            return self._append(actor, action, facts)

    def _append(self, actor: str, action: str, facts: Mapping[str, Fact]) -> Entry:
        if self._needs_secret:
            raise BadInput(
                f"The head of {self.path} is signed, and there is no secret here to sign the next one with.",
                fix="Set WATERSHIP_SECRET, or WATERSHIP_SECRET_FILE.",
            )
        entry = chain(self._last, at=self._now(), actor=actor, action=action, facts=facts)
        line = encode(entry) + b"\n"
        self._write(line, head_of(entry, self._secret))
        self._last = entry
        self._size += len(line)
        return entry

    def entries(self) -> list[Entry]:
        """Every entry. Raises AuditBroken."""
        kept, found = read_head(self.path), read(self.path)
        state = checked(found, kept, secret=self._secret)
        if isinstance(state, Broken):
            raise AuditBroken(str(self.path), state)
        return [entry for entry in found if entry is not None]

    def verify(self, head: str | None = None) -> Verified | Broken:
        return verify_file(self.path, secret=self._secret, noted=head)

    @property
    def head(self) -> str | None:
        """The digest of the last entry: note it elsewhere, and a record that was taken back will be seen."""
        return self._last.digest if self._last else None

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> AuditFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _catch_up(self) -> None:
        """Read what others wrote since; nothing to do when the file is as long as we left it."""
        if os.fstat(self._file).st_size == self._size:
            return
        kept, lines = read_head(self.path), lines_in(self._file)
        entries = [decode(line) for line in lines.whole]
        state = checked(entries, kept, secret=self._secret)
        if isinstance(state, Broken):
            raise AuditBroken(str(self.path), state)
        self._last, self._size = (entries[-1] if entries else None), lines.size
        self._needs_secret = state.seal == "unchecked"
        if kept is None:
            # Before the first entry: from here on a record without a head was tampered with.
            replace_head(self.path, head_of(None, self._secret))
            sync_folder(self.path.parent)
        if not self._needs_secret:
            self._recover(torn=lines.torn, after=state.after)

    def _recover(self, *, torn: int, after: int) -> None:
        """Record what a crash left; whoever cannot sign leaves that to the next one."""
        if torn:
            os.ftruncate(self._file, self._size)
            self._append("watership", "audit.torn_line_removed", {"bytes": torn})
        if after:
            self._append("watership", "audit.head_caught_up", {"entries": after})

    def _write(self, line: bytes, head: Head) -> None:
        """Write at the end, whole or not at all, and then replace the head."""
        with all_or_nothing(self._file):
            append(self._file, line)
            replace_head(self.path, head)


def head_file(path: Path) -> Path:
    """Where the head of a record is kept: `audit.head` for `audit.jsonl`."""
    return path.with_suffix(".head")


def read_head(path: Path) -> Kept:
    """The head beside a record. Read it before the record, which may grow meanwhile and must not seem cut."""
    try:
        return heads.decode(head_file(path).read_bytes())
    except FileNotFoundError:
        return None


def replace_head(path: Path, head: Head) -> None:
    """Replace the head as a whole or not at all. That the old one may come back after a crash does no harm."""
    swap(head_file(path), heads.encode(head), mode=FILE_MODE)


def verify_file(path: Path, *, secret: str = "", noted: str | None = None) -> Verified | Broken:
    """Check a record, the head beside it, and that it holds the entry whose digest was `noted`."""
    kept = read_head(path)
    return checked(read(path), kept, secret=secret, noted=noted)


def seal(path: Path, now: Callable[[], datetime], *, secret: str, by: str) -> Entry:
    """Put a new head beside a record whose head is missing, unreadable, or not signed with this secret.

    That and who did it is the next entry. Raises AuditBroken where the record does not bear its old head out, and
    NotFound where there is none.
    """
    if not path.is_file():
        raise NotFound(f"There is no audit log at {path}.", fix="The first release writes it.")
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with locked(file):
            entries, kept = read(path), read_head(path)
            state: Verified | Broken | None = verify(entries)
            if not isinstance(state, Broken) and isinstance(kept, Head):
                state = end_fault(entries, kept)
            if isinstance(state, Broken):
                raise AuditBroken(str(path), state)
            why = seal_fault(kept, secret) or "by order"
            replace_head(path, head_of(entries[-1] if entries else None, secret))
    finally:
        os.close(file)
    with AuditFile(path, now, secret=secret) as audit:
        return audit.append(by, "audit.sealed", {"because": why, "signed": bool(secret)})


def read(path: Path) -> list[Entry | None]:
    """The lines of a record, None for each that is no entry. A last line without its end is left out."""
    return [decode(line) for line in lines_of(path).whole]
