"""A clock tells the time and waits; it is passed in, so that a whole system can run in virtual time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time as the kernel needs it."""

    def now(self) -> datetime:
        """The wall clock, in UTC. It may jump: use it to tell people and to set timers, not to measure."""

    def monotonic(self) -> float:
        """Seconds that never go back and count the time a machine was suspended."""

    async def sleep(self, seconds: float) -> None:
        """Wait this many seconds of this clock."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        # CLOCK_BOOTTIME counts suspension; macOS' CLOCK_MONOTONIC does too and has no BOOTTIME.
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
