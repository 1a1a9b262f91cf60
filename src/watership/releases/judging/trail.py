"""The trail of a gate is every tick that it folded, in pieces beside its state: its word can be recomputed from it.

A piece is written before the state that no longer holds it: a controller that dies in between writes it once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from watership.errors import NotFound
from watership.releases.judging.arms import Tick
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
