"""Shares are met over any stretch of turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watership.adapters.proxy.smooth import Rotation
from watership.fleet.deployment import Slot


@given(share=st.integers(0, 100), turns=st.integers(1, 500))
def test_no_slot_is_ever_a_whole_turn_off_its_share(share: int, turns: int) -> None:
    rotation = Rotation()
    weights = {Slot.BLUE: 100 - share, Slot.GREEN: share}
    green = sum(rotation.turn(weights) is Slot.GREEN for _ in range(turns))
    assert abs(green - turns * share / 100) <= 1


def test_equal_weights_alternate() -> None:
    rotation = Rotation()
    turns = [rotation.turn({Slot.BLUE: 50, Slot.GREEN: 50}) for _ in range(4)]
    assert turns == [Slot.BLUE, Slot.GREEN, Slot.BLUE, Slot.GREEN]


def test_without_weight_it_is_nobodys_turn() -> None:
    assert Rotation().turn({Slot.BLUE: 0, Slot.GREEN: 0}) is None
