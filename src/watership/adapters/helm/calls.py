"""What a router can be told over its control socket."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, SlotWeights, TrafficTick


class Read(msgspec.Struct, frozen=True, tag=True):
    """The state, as Router.read gives it."""


class SetTargets(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    slot: Slot
    addresses: tuple[str, ...]
    epoch: int


class SetWeights(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    weights: SlotWeights
    epoch: int
    hold_seconds: float | None = None
    last_safe: SlotWeights | None = None


class Drain(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    slot: Slot
    seconds: float
    epoch: int


class Left(msgspec.Struct, frozen=True):
    """What a drain left in flight; None: the router does not tell."""

    count: int | None


class Pause(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    seconds: float
    epoch: int
    writes_only: bool = False
    patience: float = PATIENCE_SECONDS


class Resume(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    epoch: int


class Ticks(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    after: int
    until: int


class Totals(msgspec.Struct, frozen=True, tag=True):
    """What each slot did since the router's counting began; `second` is when that was."""


RouterCall = Read | SetTargets | SetWeights | Drain | Pause | Resume | Ticks | Totals

SlotTicks = dict[Slot, list[TrafficTick]]

SlotTotals = dict[Slot, TrafficTick]


def as_lists(ticks: dict[Slot, Sequence[TrafficTick]]) -> SlotTicks:
    return {slot: list(seconds) for slot, seconds in ticks.items()}
