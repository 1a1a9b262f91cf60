"""The incidents of an environment as a file: one event a line, on disk before it is returned."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from watership.adapters.files.appending import append
from watership.adapters.files.replace import sync_folder
from watership.errors import Unavailable, WatershipError
from watership.releases.incidents.incident import Decide, Event, Incident, fold, happened

FILE_MODE = 0o640

MAX_BYTES = 64 * 1024 * 1024
"""Some hundred thousand events: a file that has more is written by a program that goes in a circle."""


class IncidentFile:
    """Incidents in `path`. Several processes may add: each holds the file's lock while it looks and writes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def all(self) -> Sequence[Incident]:
        return await asyncio.to_thread(self._all)

    async def add(self, decide: Decide) -> Incident | None:
        return await asyncio.to_thread(self._add, decide)

    def _all(self) -> list[Incident]:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        return self._folded(content[: content.rfind(b"\n") + 1])

    def _add(self, decide: Decide) -> Incident | None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            content = _read(file)
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                # What a crash left of a last line was never acknowledged: it goes.
                os.ftruncate(file, whole)
            there = self._folded(content[:whole])
            event = decide(there)
            if event is None:
                return None
            after = happened(next((each for each in there if each.id == event.incident), None), event)
            self._write(file, msgspec.json.encode(event) + b"\n", whole)
            if whole == 0:
                sync_folder(self._path.parent)
            return after
        finally:
            os.close(file)  # which also gives the lock back

    def _folded(self, content: bytes) -> list[Incident]:
        try:
            return fold([msgspec.json.decode(line, type=Event) for line in content.splitlines()])
        except (msgspec.DecodeError, WatershipError) as error:
            raise Unavailable(
                f"{self._path} cannot be read: {error}", fix="Keep it as evidence, and begin a new one."
            ) from error

    def _write(self, file: int, line: bytes, size: int) -> None:
        """Write at the end, whole or not at all."""
        if size + len(line) > MAX_BYTES:
            raise Unavailable(f"{self._path} has reached {MAX_BYTES:,} bytes.", fix="Move it away.")
        try:
            append(file, line)
        except OSError as error:
            raise Unavailable(f"An incident cannot be written: {error.strerror}.") from error


def _read(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)
