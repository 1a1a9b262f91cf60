"""Keys name places; sequences tell which unit of a branch must come next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watership.durable.ids import Key
from watership.durable.keys import Sequences, join, keyed, step_name, units
from watership.errors import ProgramError

DEEP = "gather#0/1/@a/race#0/0"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("search/0", [("", "search/0")]),
        ("gather#0/2/search/0", [("", "gather#0"), ("gather#0/2", "search/0")]),
        ("@turn:call:0", []),
        ("@turn:call:0/ask/1", [("@turn:call:0", "ask/1")]),
        ("gather#0/1/@a/race#0/0/x/0", [("", "gather#0"), ("gather#0/1/@a", "race#0"), (DEEP, "x/0")]),
    ],
)
def test_a_key_tells_its_unit_in_each_branch_above_it(key: str, expected: list[tuple[str, str]]) -> None:
    assert list(units(Key(key))) == expected


@pytest.mark.parametrize("name", ["", "a/b", "a#b", "@a"])
def test_a_name_that_would_break_keys_is_refused(name: str) -> None:
    with pytest.raises(ProgramError):
        step_name(name)


def test_an_explicit_key_is_one_segment() -> None:
    assert join("gather#0/1", keyed("turn/call#1/0")) == "gather#0/1/@turn:call:1:0"


def test_a_branch_must_come_to_its_units_in_order() -> None:
    sequences = Sequences([Key("a/0"), Key("b/0")])
    assert sequences.reach("", "b/0", leaf=True) == "a/0"
    assert sequences.reach("", "a/0", leaf=True) is None
    assert sequences.expected("") == "b/0"
    assert sequences.reach("", "b/0", leaf=True) is None
    assert sequences.reach("", "c/0", leaf=True) is None and sequences.expected("") is None


def test_a_gather_that_left_no_trace_is_no_divergence() -> None:
    sequences = Sequences([Key("a/0"), Key("gather#1/0/x/0")])
    assert sequences.reach("", "gather#0", leaf=False) is None
    assert sequences.reach("", "gather#1", leaf=False) == "a/0"


@given(st.permutations([Key(f"gather#0/{branch}/s/{n}") for branch in range(3) for n in range(1)]))
def test_the_order_across_branches_does_not_matter(keys: list[Key]) -> None:
    sequences = Sequences(keys)
    assert sequences.reach("", "gather#0", leaf=False) is None
    for branch in (2, 0, 1):
        assert sequences.reach(f"gather#0/{branch}", "s/0", leaf=True) is None
