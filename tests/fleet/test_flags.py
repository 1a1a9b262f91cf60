"""A flag is evaluated by its own words alone: the same question always has the same answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from watership.fleet.flags import Flag, Why, evaluate, explain

KEYS = [f"user-{number}" for number in range(20_000)]
PLACED = [False, False, False, True, True, True, False, False]


def _share(flag: Flag) -> float:
    return sum(evaluate(flag, "t", key) for key in KEYS) / len(KEYS) * 100


def test_a_share_is_about_the_share_of_keys() -> None:
    # Four standard deviations of 20,000 draws are 1.4 points at 50 % and 0.3 at 1 %.
    for percent, near in ((1.0, 0.3), (25.0, 1.3), (50.0, 1.5), (99.9, 0.1)):
        assert abs(_share(Flag(name="f", on=True, percent=percent)) - percent) < near


@given(st.text(min_size=1), st.floats(0, 100), st.floats(0, 100))
def test_who_has_a_feature_keeps_it_while_the_share_grows(key: str, one: float, other: float) -> None:
    low, high = (Flag(name="f", on=True, percent=share) for share in sorted((one, other)))
    assert evaluate(high, "t", key) or not evaluate(low, "t", key)


def test_two_flags_of_one_share_do_not_choose_the_same_keys() -> None:
    one, other = (Flag(name=name, on=True, percent=10) for name in ("f", "g"))
    both = sum(evaluate(one, "t", key) and evaluate(other, "t", key) for key in KEYS)
    assert 120 < both < 280  # 1 % of the keys, not 10 %


def test_the_placement_of_keys_never_changes() -> None:
    # Written down once: another hash would take features away from people in the middle of a roll-out.
    flag = Flag(name="f", on=True, percent=50)
    assert [evaluate(flag, "t", f"user-{number}") for number in range(8)] == PLACED


def test_a_tenants_own_word_goes_before_the_share_and_the_emergency_before_all() -> None:
    flag = Flag(name="f", on=False, tenants={"acme": True, "umbrella": False})
    assert explain(flag, "acme", "").why is Why.TENANT
    assert evaluate(flag, "acme", "")
    assert not evaluate(flag, "other", "k")
    assert not evaluate(replace(flag, on=True), "umbrella", "k")
    assert explain(replace(flag, on=True), "other", "").why is Why.ON
    for tenant in ("acme", "umbrella", "other"):
        assert explain(replace(flag, on=True, disabled=True), tenant, "k").why is Why.DISABLED


def test_a_share_without_a_key_is_off_and_says_so() -> None:
    found = explain(Flag(name="f", on=True, percent=50), "t", "")
    assert (found.on, found.why) == (False, Why.NO_KEY)
