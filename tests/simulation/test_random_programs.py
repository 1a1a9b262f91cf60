"""Whatever a program nests, and wherever it crashes: it returns what it would have returned without."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.random_programs import Node, misfits, nodes, outcome


@given(nodes, st.integers(1, 2**32))
@settings(max_examples=settings.get_profile("night").max_examples // 10)
def test_a_program_returns_the_same_wherever_it_crashes(node: Node, seed: int) -> None:
    calm, _ = outcome(node, 0, calm=True)
    assert outcome(node, seed, calm=False) == (calm, [])


@given(nodes, st.integers(1, 2**32))
@settings(max_examples=settings.get_profile("night").max_examples // 20)
def test_a_run_fits_its_own_program_wherever_it_stands(node: Node, seed: int) -> None:
    assert misfits(node, seed) == []
