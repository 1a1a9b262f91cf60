"""The trail of a gate is every tick that it folded, in pieces beside its state: its word can be recomputed from it.

A piece is written before the state that no longer holds it: a controller that dies in between writes it once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from watership.errors import NotFound
from watership.releases.judging.arms import Tick
from watership.releases.judging.gate import GateSpec, GateState, Judgement, judge, observe, opened
from watership.releases.snapshots import Snapshots, load, save

PIECE_TICKS: Final = 120
"""Ticks of a piece: the state beside which the open one is kept is written every second or every ten."""


class Trail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The open piece, and how many are put away."""

    pieces: int = 0
    ticks: tuple[Tick, ...] = ()

    def followed_by(self, tick: Tick) -> Trail:
        return Trail(pieces=self.pieces, ticks=(*self.ticks, tick))


async def put_away(snapshots: Snapshots, name: str, trail: Trail) -> Trail:
    """Write the open piece down where it is full."""
    if len(trail.ticks) < PIECE_TICKS:
        return trail
    await save(snapshots, _piece(name, trail.pieces), trail.ticks)
    return Trail(pieces=trail.pieces + 1)


async def ticks_of(snapshots: Snapshots, name: str, trail: Trail) -> Sequence[Tick]:
    """All ticks in their order. Raises NotFound where a piece is missing: what is left proves nothing."""
    ticks: list[Tick] = []
    for number in range(trail.pieces):
        piece = await load(snapshots, _piece(name, number), tuple[Tick, ...])
        if piece is None:
            raise NotFound(f"Piece {number + 1} of {trail.pieces} of the trail of {name} is not there.")
        ticks += piece
    return (*ticks, *trail.ticks)


def _piece(name: str, number: int) -> str:
    return f"{name}.trail.{number}"


class Replayed(Struct, frozen=True, kw_only=True):
    """A gate's word as it is on record, and as its trail gives it."""

    name: str
    ticks: int
    recorded: Judgement
    recomputed: Judgement

    @property
    def agrees(self) -> bool:
        return self.recorded == self.recomputed


def replayed(name: str, ticks: Sequence[Tick], state: GateState, gate: GateSpec) -> Replayed:
    """Fold a trail anew, and compare what it comes to with the state that was kept."""
    anew = opened(gate)
    for tick in ticks:
        anew = observe(anew, tick, gate)
    return Replayed(name=name, ticks=len(ticks), recorded=judge(state, gate), recomputed=judge(anew, gate))
