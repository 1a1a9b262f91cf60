"""The router in a rehearsal's calendar: what it says of times is told in the times of the clock that leaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from msgspec.structs import replace

from watership.adapters.rehearsal.clock import LeapingClock
from watership.adapters.rehearsal.metrics import RehearsedMetrics
from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, Metrics, Router, RouterState, SlotWeights, TrafficTick


class MeteredRouter(Router, Metrics, Protocol):
    """A router that also counts."""


class RehearsedRouter:
    """Router and Metrics."""

    def __init__(self, router: MeteredRouter, clock: LeapingClock) -> None:
        self._router = router
        self._metrics = RehearsedMetrics(router, clock)
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
        return await self._metrics.ticks(after=after, until=until)

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
