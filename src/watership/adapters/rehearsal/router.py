"""The router in a rehearsal's calendar: what it says of times is told in the times of the clock that leaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Protocol

from msgspec.structs import replace

from watership.adapters.rehearsal.clock import LeapingClock
from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, Metrics, Router, RouterState, SlotWeights, TrafficTick


class MeteredRouter(Router, Metrics, Protocol):
    """A router that also counts."""


class RehearsedRouter:
    """Router and Metrics. The seconds that were leapt over never were: of them nobody knows anything."""

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

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int | None:
        return await self._router.drain(slot, seconds=seconds, epoch=epoch)

    async def pause(
        self,
        *,
        seconds: float,
        epoch: int,
        writes_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        await self._router.pause(seconds=seconds, epoch=epoch, writes_only=writes_only, patience=patience)

    async def resume(self, *, epoch: int) -> None:
        await self._router.resume(epoch=epoch)

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        found: dict[Slot, list[TrafficTick]] = {slot: [] for slot in Slot}
        for first, last, ahead in self._spans(after + 1, until):
            ticks = await self._router.ticks(after=first - ahead - 1, until=last - ahead)
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

    def _told(self, state: RouterState) -> RouterState:
        """In our times. It counts since the last leap: whoever looks back a minute means seconds that were."""
        leaps = self._clock.leaps()
        if not leaps:
            return state
        ahead = timedelta(seconds=leaps[-1].ahead)
        leapt = datetime.fromtimestamp(leaps[-1].since, UTC)
        until = None if state.until is None else state.until + ahead
        started = None if state.started_at is None else max(state.started_at, leapt) + ahead
        return replace(state, until=until, started_at=started)
