"""The records of each release as a file: one record a line, on disk before it is returned."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from watership.adapters.files.appending import append
from watership.adapters.files.releases import ReleaseFolder
from watership.errors import Unavailable
from watership.releases.readiness.records import Record

FILE = "records.jsonl"

FILE_MODE = 0o640

MAX_BYTES = 64 * 1024 * 1024
"""Some hundred thousand records; a release that has more is not looked after by people any more."""


class RecordFiles:
    """Records below the folder of releases. Several processes may add: each takes the file's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def add(self, release: str, record: Record) -> None:
        await asyncio.to_thread(self._add, release, msgspec.json.encode(record) + b"\n")

    async def all(self, release: str) -> Sequence[Record]:
        return await asyncio.to_thread(self._read, release)

    def _path(self, release: str) -> Path:
        return ReleaseFolder(self._folder, release).folder / FILE

    def _add(self, release: str, line: bytes) -> None:
        path = self._path(release)
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file).st_size
            if size + len(line) > MAX_BYTES:
                raise Unavailable(f"{path} has reached {MAX_BYTES:,} bytes.", fix="Plan the release anew.")
            self._require_whole(file, size)
            _write(file, line)
        finally:
            os.close(file)  # which also gives the lock back

    def _require_whole(self, file: int, size: int) -> None:
        """What a crash left of a last line was never acknowledged: it goes."""
        if size and os.pread(file, 1, size - 1) != b"\n":
            os.ftruncate(file, os.pread(file, size, 0).rfind(b"\n") + 1)

    def _read(self, release: str) -> list[Record]:
        path = self._path(release)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return []
        lines = content[: content.rfind(b"\n") + 1].splitlines()
        try:
            return [msgspec.json.decode(line, type=Record) for line in lines]
        except msgspec.DecodeError as error:
            raise Unavailable(
                f"{path} cannot be read: {error}.", fix="Keep it as evidence; plan anew."
            ) from error


def _write(file: int, line: bytes) -> None:
    """Write at the end, whole or not at all."""
    try:
        append(file, line)
    except OSError as error:
        raise Unavailable(f"A record cannot be written: {error.strerror}.") from error
