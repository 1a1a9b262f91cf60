"""The outbox as a file: one record a line, on disk before it is returned."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

import msgspec

from watership.adapters.files.appending import FILE_MODE, Illegible, append, lines_in, locked, parsed
from watership.adapters.files.replace import sync_folder
from watership.releases.notices.notice import Message
from watership.releases.notices.outbox import Box, Delivery, Put, Record, State, Tried, folded


class OutboxFile:
    """Appends to `path`. Several processes may write it; each append takes the lock, and who delivers holds another.

    A last line without its end was never acknowledged: a crash cut it off, and it is removed. Any other line that is
    no record raises Illegible: what was sent already would not be known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._box: Box = {}
        self._size = 0
        self._lines = 0
        self._held: int | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            with locked(self._file):
                self._catch_up()
            sync_folder(path.parent)
        except BaseException:
            os.close(self._file)
            raise

    def put(self, message: Message, channels: Sequence[str], at: datetime) -> bool:
        with locked(self._file):
            self._catch_up()
            new = tuple(each for each in channels if (message.id, each) not in self._box)
            if new:
                self._append(Put(at=at, message=message, channels=new))
            return bool(new)

    def mark(self, delivery: Delivery, state: State, evidence: str, at: datetime) -> Delivery:
        identity, channel = delivery.message.id, delivery.channel
        with locked(self._file):
            self._catch_up()
            self._append(Tried(at=at, id=identity, channel=channel, state=state, evidence=evidence))
        return self._box[identity, channel]

    def deliveries(self) -> Sequence[Delivery]:
        if os.fstat(self._file).st_size != self._size:
            with locked(self._file):
                self._catch_up()
        return list(self._box.values())

    def hold(self) -> bool:
        """A lock of its own, which the system drops when the process dies."""
        if self._held is None:
            file = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            self._held = file
        return True

    def release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def close(self) -> None:
        self.release()
        os.close(self._file)

    def __enter__(self) -> OutboxFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _catch_up(self) -> None:
        """Read what others wrote since; nothing to do when the file is as long as we left it."""
        size = os.fstat(self._file).st_size
        if size == self._size:
            return
        if size < self._size:
            raise Illegible(self.path, self._lines, "record", "it was cut, and what was sent is not known")
        lines = lines_in(self._file, self._size)
        what = "record of an outbox"
        for record in parsed(self.path, lines.whole, _record, what, first=self._lines + 1):
            folded(self._box, record)
        self._size, self._lines = lines.size, self._lines + len(lines.whole)
        if lines.torn:
            os.ftruncate(self._file, self._size)

    def _append(self, record: Record) -> None:
        """Write at the end, whole or not at all."""
        line = msgspec.json.encode(record) + b"\n"
        append(self._file, line)
        folded(self._box, record)
        self._size, self._lines = self._size + len(line), self._lines + 1


def _record(line: bytes) -> Record:
    record: Record = msgspec.json.decode(line, type=Record)
    return record
