"""A clock that leaps: the machine's own, ahead by what was leapt so far, for every process that reads the same file."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from watership.adapters.files.replace import replace_file
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Unavailable

LOOK_SECONDS: Final = 0.1
"""How long a sleeper may take to notice a leap."""

FARTHEST: Final = 400 * 86_400.0
"""Seconds ahead of the machine's clock."""


class Leap(Struct, frozen=True):
    """From the machine's moment `since` on (Unix time) the clock is `ahead` of it by so many seconds."""

    since: float
    ahead: float


class LeapingClock:
    """Reads the leaps from `path`; without the file there were none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._machine = SystemClock()
        self._stamp: tuple[int, int] | None = None
        self._leaps: tuple[Leap, ...] = ()

    def now(self) -> datetime:
        return self._machine.now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return self._machine.monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            await asyncio.sleep(min(left, LOOK_SECONDS))
        await asyncio.sleep(0)

    @property
    def ahead(self) -> float:
        """Seconds ahead of the machine's clock now."""
        leaps = self.leaps()
        return leaps[-1].ahead if leaps else 0.0

    def leaps(self) -> tuple[Leap, ...]:
        """All leaps so far, in order. Raises Unavailable when the file cannot be read."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return ()
        stamp = (there.st_mtime_ns, there.st_ino)
        if stamp != self._stamp:
            try:
                self._leaps = msgspec.json.decode(self._path.read_bytes(), type=tuple[Leap, ...])
            except msgspec.DecodeError as error:
                raise Unavailable(f"The rehearsal's clock {self._path} cannot be read: {error}.") from error
            self._stamp = stamp
        return self._leaps

    def require_leap(self, seconds: float) -> None:
        """Raises BadInput for one that goes back, or too far."""
        if not 0 < seconds <= FARTHEST:
            raise BadInput(f"A clock leaps forward, {FARTHEST / 86_400:g} days at most; got {seconds:g} s.")

    def leap(self, seconds: float) -> datetime:
        """Go on by so many seconds at once; the time afterwards. It never goes back."""
        self.require_leap(seconds)
        since = datetime.now(UTC).timestamp()
        leaps = (*self.leaps(), Leap(since, self.ahead + seconds))
        replace_file(self._path, msgspec.json.encode(leaps))
        return self.now()
