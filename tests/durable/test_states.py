"""Every pair of states: the table allows it, or the move raises and changes nothing."""

from __future__ import annotations

from itertools import product

import pytest

from watership.durable.states import MOVES, TERMINAL, IllegalMove, RunState, move


@pytest.mark.parametrize(("state", "to"), list(product(RunState, RunState)))
def test_a_move_is_made_just_when_the_table_allows_it(state: RunState, to: RunState) -> None:
    if to in MOVES[state]:
        assert move(state, to) is to
    else:
        with pytest.raises(IllegalMove):
            move(state, to)


def test_every_state_leads_to_an_end() -> None:
    assert {RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED} == TERMINAL
    for state in set(RunState) - TERMINAL:
        reached, frontier = {state}, {state}
        while frontier:
            frontier = {to for each in frontier for to in MOVES[each]} - reached
            reached |= frontier
        assert reached >= TERMINAL
