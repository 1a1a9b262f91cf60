"""The router in a rehearsal's calendar: what it says of times is told in the times of the clock that leaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Protocol

from msgspec.structs import replace

from watership.adapters.rehearsal.clock import LeapingClock
from watership.fleet.deployment import Slot
from watership.releases.ports import Metrics, Router, RouterState, SlotWeights, TrafficTick


class MeteredRouter(Router, Metrics, Protocol):
    """A router that also counts."""


class RehearsedRouter:
    """Router and Metrics. The seconds that were leapt over never were: nothing was asked of the router in them."""

    def __init__(self, router: MeteredRouter, clock: LeapingClock) -> None:
        self._router = router
        self._clock = clock

    async def read(self) -> RouterState:
        return self._told(await self._router.read())

    async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> None:
        await self._router.set_targets(slot, addresses, epoch=epoch)

    async def set_weights(
        self,
        weights: SlotWeights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: SlotWeights | None = None,
    ) -> RouterState:
        return self._told(
            await self._router.set_weights(
                weights, epoch=epoch, hold_seconds=hold_seconds, last_safe=last_safe
            )
        )

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int:
        return await self._router.drain(slot, seconds=seconds, epoch=epoch)

    async def pause(self, *, seconds: float, epoch: int) -> None:
        await self._router.pause(seconds=seconds, epoch=epoch)

    async def resume(self, *, epoch: int) -> None:
        await self._router.resume(epoch=epoch)

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        found: dict[Slot, dict[int, TrafficTick]] = {slot: {} for slot in Slot}
        for first, last, ahead in self._spans(after + 1, until):
            ticks = await self._router.ticks(after=first - ahead - 1, until=last - ahead)
            for slot, seconds in ticks.items():
                found[slot] |= {
                    tick.second + ahead: replace(tick, second=tick.second + ahead) for tick in seconds
                }
        leapt = self._leapt(after + 1, until)
        return {
            slot: [
                seconds.get(second) or _nothing(second)
                for second in range(after + 1, until + 1)
                if second in seconds or second in leapt
            ]
            for slot, seconds in found.items()
        }

    def _spans(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """The parts of a range of our seconds that were, each with how far it is ahead of the machine's."""
        for begins, ends, ahead in self._eras():
            start, end = max(first, begins), min(last, ends)
            if start <= end:
                yield start, end, ahead

    def _leapt(self, first: int, last: int) -> set[int]:
        """The seconds of a range that were leapt over."""
        were = {second for begins, ends, _ in self._spans(first, last) for second in range(begins, ends + 1)}
        return set(range(first, last + 1)) - were

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

    def _told(self, state: RouterState) -> RouterState:
        ahead = timedelta(seconds=self._clock.ahead)

        def ours(moment: datetime | None) -> datetime | None:
            return None if moment is None else moment + ahead

        return replace(state, until=ours(state.until), started_at=ours(state.started_at))


def _nothing(second: int) -> TrafficTick:
    return TrafficTick(second=second, requests=0, errors=0, latencies={})
