"""One controller at a time: a lock that dies with its process, and an epoch that rises with each acquisition."""

from __future__ import annotations

import asyncio
import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from watership.adapters.files.replace import replace_file
from watership.errors import Conflict, Unavailable
from watership.releases.ports import LockHolder

TRIES = 5
"""Tries before the lock counts as held: whoever reads the holder has it for an instant."""

TRY_SECONDS = 0.02


class FileLock:
    """Lock: `path` is flocked while the process lives, `path`.json tells who holds it and keeps the epoch."""

    def __init__(self, path: Path, *, above: int = 0) -> None:
        """`above`: an epoch that a target has seen, whoever gave it."""
        self._path = path
        self._above = above
        self._record = path.with_name(f"{path.name}.json")
        self._turn = path.with_name(f"{path.name}.turn")
        self._file: int | None = None

    async def acquire(self, *, who: str, release: str) -> LockHolder:
        if self._file is not None:
            raise Conflict("This process holds the lock already.", fix="Release it first.")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            if _locked(file, fcntl.LOCK_EX):
                return self._enter(file, who=who, release=release)
            os.close(file)
            await asyncio.sleep(TRY_SECONDS)
        raise self._held()

    async def depose(self, *, who: str, release: str) -> LockHolder:
        return self._next(who=who, release=release)

    async def read(self) -> LockHolder | None:
        """Who holds the lock now; None when nobody does, whatever the record says."""
        try:
            file = os.open(self._path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            return None if _locked(file, fcntl.LOCK_SH) else self._last()
        finally:
            os.close(file)

    async def release(self) -> None:
        """Give it back. Releasing what is not held is nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _enter(self, file: int, *, who: str, release: str) -> LockHolder:
        try:
            holder = self._next(who=who, release=release)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return holder

    def _next(self, *, who: str, release: str) -> LockHolder:
        """The record with the next epoch. Who enters and who deposes may come at once: one after the other."""
        turn = os.open(self._turn, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Held for one small write, so waiting for it is short.
            fcntl.flock(turn, fcntl.LOCK_EX)
            last = self._last()
            epoch = max(last.epoch if last is not None else 0, self._above) + 1
            holder = LockHolder(who=who, release=release, since=datetime.now(UTC), epoch=epoch)
            # On the disk before anybody acts under it: an epoch that was given twice would fence nobody.
            replace_file(self._record, msgspec.json.encode(holder))
        finally:
            os.close(turn)
        return holder

    def _last(self) -> LockHolder | None:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=LockHolder)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise Unavailable(
                f"The lock's record {self._record} cannot be read, so the next epoch is unknown: {error}.",
                fix="Restore the file; removing it makes routers and hosts refuse the epochs that follow.",
            ) from error

    def _held(self) -> Conflict:
        holder = self._last()
        if holder is None:
            return Conflict("The lock is held by a process that left no name.", fix="Try again in a moment.")
        return Conflict(
            f"{holder.who} holds the lock for release {holder.release} since {holder.since:%Y-%m-%d %H:%M:%S} UTC "
            f"(epoch {holder.epoch}).",
            fix=f"Follow it with: watership release watch {holder.release}",
        )


def _locked(file: int, kind: int) -> bool:
    """Take the lock on an open file if it is free; whether it was."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
