"""Counters in one process, bounded: who asked longest ago is forgotten first."""

from __future__ import annotations

from collections import OrderedDict

from watership.durable.clock import Clock
from watership.fleet.limit import Allowance, Window, judge

CALLERS = 10_000
"""That are counted at a time. Beyond them the oldest begin anew: a limit for callers, not a defence from a flood."""


class MemoryLimiter:
    """A Limiter for the tasks of one event loop."""

    def __init__(self, clock: Clock, *, callers: int = CALLERS) -> None:
        self._clock = clock
        self._callers = callers
        self._counts: OrderedDict[str, tuple[int, Window]] = OrderedDict()

    async def take(self, key: str, *, limit: int, seconds: float) -> Allowance:
        number, elapsed = divmod(self._clock.monotonic() / seconds, 1)
        window = self._window(key, int(number), elapsed)
        allowance = judge(window, limit=limit, seconds=seconds)
        counted = Window(window.before, window.now + allowance.allowed, elapsed)
        self._counts[key] = int(number), counted
        self._counts.move_to_end(key)
        if len(self._counts) > self._callers:
            self._counts.popitem(last=False)
        return allowance

    def _window(self, key: str, number: int, elapsed: float) -> Window:
        last, counted = self._counts.get(key, (number, Window(0, 0, 0.0)))
        if last == number:
            return Window(counted.before, counted.now, elapsed)
        return Window(counted.now if last == number - 1 else 0, 0, elapsed)
