"""The control socket of whatever stands at a helm: each call is answered by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, assert_never

from watership.adapters.helm.calls import (
    Drain,
    Left,
    Pause,
    Read,
    Resume,
    RouterCall,
    SetTargets,
    SetWeights,
    Ticks,
    Totals,
    as_lists,
)
from watership.adapters.helm.traffic import Traffic
from watership.fleet.deployment import Slot
from watership.releases.ports import Router, TrafficTick


class Steered(Router, Protocol):
    """A router of this process, with what it has counted."""

    @property
    def traffic(self) -> Mapping[Slot, Traffic]: ...


async def answered(router: Steered, call: RouterCall, *, now: int) -> object:
    """What the call asks for. `now`: the Unix second that is not over yet."""
    match call:
        case Read():
            return await router.read()
        case SetTargets():
            await router.set_targets(call.slot, call.addresses, epoch=call.epoch)
            return None
        case SetWeights():
            return await router.set_weights(
                call.weights, epoch=call.epoch, hold_seconds=call.hold_seconds, last_safe=call.last_safe
            )
        case Drain():
            return Left(await router.drain(call.slot, seconds=call.seconds, epoch=call.epoch))
        case Pause():
            await router.pause(
                seconds=call.seconds,
                epoch=call.epoch,
                writes_only=call.writes_only,
                patience=call.patience,
            )
            return None
        case Resume():
            await router.resume(epoch=call.epoch)
            return None
        case Ticks():
            ticks: dict[Slot, Sequence[TrafficTick]] = {
                slot: counted.ticks(after=call.after, until=call.until, now=now)
                for slot, counted in router.traffic.items()
            }
            return as_lists(ticks)
        case Totals():
            return {slot: counted.total.tick() for slot, counted in router.traffic.items()}
        case _:
            assert_never(call)
