"""Traffic is counted by slot and second, as the router saw it, and kept for a quarter of an hour."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from watership.errors import Unavailable
from watership.releases.ports import TrafficTick

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency buckets in seconds, the SLA's 0.2 among them; what is slower counts as +Inf."""

NAMES = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")

KEPT_SECONDS = 15 * 60
"""Longer than any window a gate or a fuse judges by; older figures belong to a metrics store."""


class Second:
    """What one slot did within one second."""

    __slots__ = ("buckets", "errors", "requests", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self.requests = 0
        self.errors = 0
        self.buckets = [0] * len(NAMES)

    def add(self, latency: float, *, failed: bool) -> None:
        self.requests += 1
        self.errors += failed
        self.buckets[bisect_left(BOUNDS, latency)] += 1

    def tick(self) -> TrafficTick:
        return TrafficTick(
            second=self.second,
            requests=self.requests,
            errors=self.errors,
            latencies=dict(zip(NAMES, self.buckets, strict=True)),
        )


class Traffic:
    """One slot's traffic since its counting began in the second `since`."""

    def __init__(self, since: int) -> None:
        # The first second is not whole: part of it passed before it could be counted.
        self.first_whole = since + 1
        self.total = Second(since)
        self._ring: list[Second | None] = [None] * KEPT_SECONDS

    def add(self, second: int, latency: float, *, failed: bool) -> None:
        """A request that ended within `second`; `latency` in seconds until the head of its answer."""
        place = second % KEPT_SECONDS
        kept = self._ring[place]
        if kept is None or kept.second != second:
            kept = self._ring[place] = Second(second)
        kept.add(latency, failed=failed)
        self.total.add(latency, failed=failed)

    def begin_again(self, since: int) -> None:
        """Some of what happened until the second `since` was not counted: nothing up to it is told any more."""
        self.first_whole = since + 1

    def ticks(self, *, after: int, until: int, now: int) -> Sequence[TrafficTick]:
        """Whole seconds in (after, until] that are over at `now`.

        Raises Unavailable when one of them was before that or is no longer kept.
        """
        oldest = max(self.first_whole, now - KEPT_SECONDS + 1)
        last = min(until, now - 1)
        if after + 1 < oldest and after < last:
            raise Unavailable(
                f"Traffic of second {after + 1} is not known: it is counted from {oldest} on.",
                fix=f"Ask for seconds after {oldest - 1}.",
            )
        return [self._at(second).tick() for second in range(after + 1, last + 1)]

    def _at(self, second: int) -> Second:
        kept = self._ring[second % KEPT_SECONDS]
        return kept if kept is not None and kept.second == second else Second(second)
