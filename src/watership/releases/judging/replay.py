"""A replay folds the trail of every vigil of a release anew, and compares what it comes to with what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from watership.releases.book.runbook import Soak
from watership.releases.judging.arms import Tick
from watership.releases.judging.gate import GateSpec, GateState, Judgement, judge, observe, opened
from watership.releases.judging.trail import ticks_of
from watership.releases.judging.vigil import Vigil
from watership.releases.plan import Plan
from watership.releases.snapshots import Snapshots, load

ATTEMPTS = 11
"""A phase is tried once and retried ten times at most."""


class Replayed(Struct, frozen=True, kw_only=True):
    """A gate's word as it is on record, and as its trail gives it."""

    name: str
    ticks: int
    recorded: Judgement
    recomputed: Judgement
    agrees: bool


async def replays(snapshots: Snapshots, plan: Plan) -> Sequence[Replayed]:
    """Each vigil of the release so far. Raises NotFound where a part of a trail is missing."""
    found = []
    for name, gate in _vigils(plan):
        vigil = await load(snapshots, name, Vigil)
        if vigil is not None:
            ticks = await ticks_of(snapshots, name, vigil.trail)
            found.append(replayed(name, ticks, vigil.gate, gate))
    return found


def _vigils(plan: Plan) -> Iterator[tuple[str, GateSpec]]:
    for item in plan.items:
        if isinstance(item.does, Soak):
            for attempt in range(1, ATTEMPTS + 1):
                yield f"{plan.release}.{item.key}.{attempt}", plan.gate
    yield f"{plan.release}.watch", plan.watch_gate


def replayed(name: str, ticks: Sequence[Tick], state: GateState, gate: GateSpec) -> Replayed:
    """Fold a trail from the beginning. The same machine comes to the same e-values, to the last digit."""
    anew = opened(gate)
    for tick in ticks:
        anew = observe(anew, tick, gate)
    recorded, recomputed = judge(state, gate), judge(anew, gate)
    return Replayed(
        name=name,
        ticks=len(ticks),
        recorded=recorded,
        recomputed=recomputed,
        agrees=recorded == recomputed and state.failed_at == anew.failed_at,
    )
