"""Smooth weighted round robin: shares are met over any stretch, without chance, evenly spread."""

from __future__ import annotations

from collections.abc import Mapping

from watership.fleet.deployment import Slot


class Rotation:
    """Whose turn it is: each turn adds every weight to its slot's credit, and the richest slot pays for it."""

    def __init__(self) -> None:
        self._credit = dict.fromkeys(Slot, 0)

    def reset(self) -> None:
        """Forget old credit, so that new weights hold from the next request on."""
        self._credit = dict.fromkeys(Slot, 0)

    def turn(self, weights: Mapping[Slot, int]) -> Slot | None:
        """The slot whose turn it is under these weights; None when no slot has weight."""
        total = 0
        best: Slot | None = None
        for slot, weight in weights.items():
            if weight <= 0:
                continue
            total += weight
            self._credit[slot] += weight
            if best is None or self._credit[slot] > self._credit[best]:
                best = slot
        if best is not None:
            self._credit[best] -= total
        return best
