"""Metrics in a rehearsal's calendar: who counts dates by the machine's clock, the release by the one that leaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf

from msgspec.structs import replace

from watership.adapters.rehearsal.clock import LeapingClock
from watership.fleet.deployment import Slot
from watership.releases.ports import Metrics, TrafficTick


class RehearsedMetrics:
    """Metrics. The seconds that were leapt over never were: of them nobody knows anything."""

    def __init__(self, metrics: Metrics, clock: LeapingClock) -> None:
        self._metrics = metrics
        self._clock = clock

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        found: dict[Slot, list[TrafficTick]] = {slot: [] for slot in Slot}
        for first, last, ahead in self._spans(after + 1, until):
            ticks = await self._metrics.ticks(after=first - ahead - 1, until=last - ahead)
            for slot, seconds in ticks.items():
                found[slot] += [replace(tick, second=tick.second + ahead) for tick in seconds]
        return found

    def _spans(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """The parts of a range of our seconds that were, each with how far it is ahead of the machine's."""
        for begins, ends, ahead in self._eras():
            start, end = max(first, begins), min(last, ends)
            if start <= end:
                yield start, end, ahead

    def _eras(self) -> Iterator[tuple[int, int, int]]:
        """First and last whole second of ours between two leaps, and how far they are ahead."""
        leaps = self._clock.leaps()
        begins = [-inf, *(each.since for each in leaps)]
        ends = [*(each.since for each in leaps), inf]
        aheads = [0, *(round(each.ahead) for each in leaps)]
        for since, until, ahead in zip(begins, ends, aheads, strict=True):
            first = 0 if since == -inf else int(since) + ahead
            last = 1 << 53 if until == inf else int(until) - 1 + ahead
            yield first, last, ahead
