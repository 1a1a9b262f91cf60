"""Session locks as flocked files: the operating system frees a lock when its process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

from watership.durable.ids import WorkerId
from watership.errors import Conflict, Unavailable

SUFFIX = ".session"

TRIES = 5
"""Tries before a lock counts as held: whoever looks whether its worker lives has it for an instant."""

TRY_SECONDS = 0.01

KEPT_SECONDS = 86_400.0
"""How long a session's file stays after it was first found free: far longer than it takes to bury a worker."""

FREE = b"free"
"""What stands in the file of a session that was found to have ended."""


class FileWitness:
    """A Witness over a folder on a local disk; one per process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._worker: WorkerId | None = None
        self._file: int | None = None
        # Asked before every step: as text, because building a Path costs five times the look itself.
        self._place = ""

    async def hold(self, worker: WorkerId) -> None:
        """Take the lock. Holding the same worker's again is nothing; another's gives up the one before."""
        if self._worker == worker and self.held():
            return
        self.release()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            self._file = self._take(worker)
        except OSError as reason:
            raise Unavailable(f"The session lock of worker {worker} cannot be taken: {reason}.") from reason
        self._worker, self._place = worker, str(self._path(worker))

    def held(self) -> bool:
        """Whether the file that we have locked is still the one that others would look at."""
        return self._file is not None and _is_at(self._file, self._place)

    async def dead(self, workers: Collection[WorkerId]) -> frozenset[WorkerId]:
        return frozenset(worker for worker in workers if self._is_free(worker))

    def _is_free(self, worker: WorkerId) -> bool:
        """Without a file there is nothing to know: the worker may live on another machine."""
        try:
            file = os.open(self._path(worker), os.O_RDWR)
        except OSError:
            return False
        try:
            return _locked(file, fcntl.LOCK_SH)
        finally:
            os.close(file)

    def release(self) -> None:
        """Free the lock. The file stays, so that others can see that it is free."""
        if self._file is not None:
            os.close(self._file)
        self._file = self._worker = None

    def _path(self, worker: WorkerId) -> Path:
        return self._folder / f"{quote(worker, safe='')}{SUFFIX}"

    def _take(self, worker: WorkerId) -> int:
        path = self._path(worker)
        for _ in range(TRIES):
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            if _locked(file) and _is_at(file, path):
                os.truncate(file, 0)
                return file
            os.close(file)
            time.sleep(TRY_SECONDS)
        raise Conflict(f"The session lock of worker {worker} is held by another process.")

    def _sweep(self) -> None:
        """Remove the files of sessions that ended long ago, each under its own lock."""
        for path in self._folder.glob(f"*{SUFFIX}"):
            try:
                _sweep(path)
            except FileNotFoundError:  # another process swept it first
                continue


def _locked(file: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take the lock if it is free. Those who only look take it shared, so that they do not see each other."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path | str) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _sweep(path: Path) -> None:
    """Mark a file when it is first found free, for its age tells when the session began; remove it a day later."""
    file = os.open(path, os.O_RDWR)
    try:
        if not (_locked(file) and _is_at(file, path)):
            return
        if os.read(file, len(FREE)) != FREE:
            os.write(file, FREE)
        elif os.fstat(file).st_mtime < time.time() - KEPT_SECONDS:
            path.unlink()
    finally:
        os.close(file)
