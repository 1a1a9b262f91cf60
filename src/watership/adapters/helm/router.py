"""The router as the release sees it: calls to the process at its helm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from watership.adapters.helm.calls import (
    Drain,
    Left,
    Pause,
    Read,
    Resume,
    RouterCall,
    SetTargets,
    SetWeights,
    SlotTicks,
    SlotTotals,
    Ticks,
    Totals,
)
from watership.adapters.unixline.calls import Caller
from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, RouterState, SlotWeights, TrafficTick


class HelmRouter:
    """Router and Metrics, by way of a control socket."""

    def __init__(self, control: Path) -> None:
        self._caller = Caller(
            control,
            what="The router",
            start="watership environment status says what runs; watership environment up starts it.",
        )

    async def read(self) -> RouterState:
        return await self._caller.call(Read(), RouterState)

    async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> None:
        await self._do(SetTargets(slot=slot, addresses=tuple(addresses), epoch=epoch))

    async def set_weights(
        self,
        weights: SlotWeights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: SlotWeights | None = None,
    ) -> RouterState:
        call = SetWeights(weights=weights, epoch=epoch, hold_seconds=hold_seconds, last_safe=last_safe)
        return await self._caller.call(call, RouterState)

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int | None:
        call = Drain(slot=slot, seconds=seconds, epoch=epoch)
        return (await self._caller.call(call, Left, seconds=seconds)).count

    async def pause(
        self,
        *,
        seconds: float,
        epoch: int,
        writes_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        await self._do(Pause(seconds=seconds, epoch=epoch, writes_only=writes_only, patience=patience))

    async def resume(self, *, epoch: int) -> None:
        await self._do(Resume(epoch=epoch))

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        return await self._caller.call(Ticks(after=after, until=until), SlotTicks)

    async def totals(self) -> SlotTotals:
        """Requests, errors and latencies of each slot since its counting began."""
        return await self._caller.call(Totals(), SlotTotals)

    async def _do(self, call: RouterCall) -> None:
        await self._caller.call(call, type(None))
