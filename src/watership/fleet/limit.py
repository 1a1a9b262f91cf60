"""A limit lets a caller do so much in a sliding window; what is refused does not count."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from watership.errors import Unavailable

TOO_FAR: Final = 0.05
"""Seconds added to what a refused caller is told to wait, so that asking then is not a moment too early."""


class Allowance(msgspec.Struct, frozen=True):
    """`retry_after` is in seconds, and 0 for who is allowed."""

    allowed: bool
    left: int
    retry_after: float = 0.0


class Window(msgspec.Struct, frozen=True):
    """What is counted of a caller: in the window before, in this one, and how far this one is (0 to 1)."""

    before: int
    now: int
    elapsed: float


class Limiter(Protocol):
    """Counts callers. A shared one raises Unavailable when it does not answer, within some ten milliseconds."""

    async def take(self, key: str, *, limit: int, seconds: float) -> Allowance:
        """Let `key` do one thing more, if it did fewer than `limit` in the last `seconds`."""


class RateLimited(Unavailable):
    """A caller asked more often than one caller may."""

    code = "rate_limited"


class DegradingLimiter:
    """Shared counters, and while they do not answer, this process's own: then each process allows the limit."""

    def __init__(self, shared: Limiter, own: Limiter) -> None:
        self._shared = shared
        self._own = own

    async def take(self, key: str, *, limit: int, seconds: float) -> Allowance:
        try:
            return await self._shared.take(key, limit=limit, seconds=seconds)
        except Unavailable:
            return await self._own.take(key, limit=limit, seconds=seconds)


def weight(window: Window) -> float:
    """How much of the last `seconds` is counted: the window before as far as it still reaches in."""
    return window.before * (1 - window.elapsed) + window.now


def judge(window: Window, *, limit: int, seconds: float) -> Allowance:
    """Whether one thing more fits into `window`, as it was before that one."""
    counted = weight(window)
    if counted + 1 <= limit:
        return Allowance(True, int(limit - counted - 1))
    return Allowance(False, 0, _wait(window, limit) * seconds + TOO_FAR)


def _wait(window: Window, limit: int) -> float:
    """In windows, until there is room for one: within this one, or within the next, where `now` is `before`."""
    here = _room_at(window.before, limit - window.now - 1)
    if here is not None and here <= 1:
        return max(0.0, here - window.elapsed)
    there = _room_at(window.now, limit - 1)
    return 1 - window.elapsed + (1.0 if there is None else there)


def _room_at(before: int, room: int) -> float | None:
    """How far a window must be for `before` to weigh `room` at most; None when it never does."""
    if room < 0:
        return None
    return 0.0 if before <= room else 1 - room / before
