"""What is lacking to a wish follows from what AWS shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from watership.adapters.aws.sight import (
    Delay,
    Deregister,
    Mark,
    Register,
    Seen,
    Sight,
    Tell,
    Weigh,
    checked,
    mark,
    orders,
    told,
)
from watership.errors import BadInput, Conflict
from watership.fleet.deployment import Slot
from watership.releases.ports import SlotWeights

BLUE, GREEN = Slot.BLUE, Slot.GREEN
ALL_GREEN: SlotWeights = {BLUE: 0, GREEN: 100}
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)

GOOD = Sight(
    rule={"b": 0, "g": 100},
    sticky=False,
    mark=Mark(epoch=3),
    groups={BLUE: "b", GREEN: "g"},
    targets={BLUE: (), GREEN: (Seen("10.0.0.1:80", "healthy"),)},
    delays={BLUE: 30, GREEN: 30},
)
WISH = {GREEN: ("10.0.0.1:80",)}


def lacking(sight: Sight) -> list[object]:
    return list(orders(sight, weights=ALL_GREEN, targets=WISH, mark=Mark(epoch=3)))


def test_what_is_as_it_should_be_needs_no_order() -> None:
    assert lacking(GOOD) == []


def test_who_may_act_is_told_first_and_who_goes_is_let_go_last() -> None:
    there = replace(
        GOOD,
        rule={"b": 100, "g": 0},
        mark=Mark(epoch=2),
        targets={BLUE: (), GREEN: (Seen("10.0.0.2:80", "healthy"),)},
        delays={BLUE: 300, GREEN: 30},
    )
    assert lacking(there) == [
        Tell(Mark(epoch=3)),
        Delay(BLUE, 30),
        Register(GREEN, ("10.0.0.1:80",)),
        Weigh(ALL_GREEN),
        Deregister(GREEN, ("10.0.0.2:80",)),
    ]


@pytest.mark.parametrize(
    "rule", [{"g": 100}, {"g": 1}, {"b": 0, "g": 50}, {"b": 0, "g": 100, "x": 0}], ids=str
)
def test_a_rule_names_both_groups_with_their_shares_and_no_other(rule: dict[str, int]) -> None:
    assert lacking(replace(GOOD, rule=rule)) == [Weigh(ALL_GREEN)]


def test_a_rule_that_binds_clients_to_a_group_is_put_right() -> None:
    assert lacking(replace(GOOD, sticky=True)) == [Weigh(ALL_GREEN)]


def test_a_target_that_is_let_go_already_is_not_let_go_again() -> None:
    gone = (Seen("10.0.0.2:80", "draining"), Seen("10.0.0.3:80", "unhealthy.draining"))
    assert lacking(replace(GOOD, targets={**GOOD.targets, BLUE: gone})) == []


def test_a_target_that_is_let_go_and_wanted_again_is_registered_again() -> None:
    back = replace(GOOD, targets={BLUE: (), GREEN: (Seen("10.0.0.1:80", "draining"),)})
    assert lacking(back) == [Register(GREEN, ("10.0.0.1:80",))]


def test_what_goes_to_strangers_is_lacking_in_the_weights() -> None:
    sight = replace(GOOD, rule={"b": 25, "g": 50, "x": 25})
    assert sight.weights == {BLUE: 25, GREEN: 50}
    assert sight.strangers == ["x"]


@pytest.mark.parametrize("armed", [False, True])
def test_a_mark_is_read_from_the_tag_that_it_wrote(armed: bool) -> None:
    wanted = Mark(epoch=7, until=NOON, last_safe=ALL_GREEN) if armed else Mark(epoch=7)
    assert mark(wanted.text()) == wanted
    assert set(wanted.text()) <= set("abcdefghijklmnopqrstuvwxyzT0123456789 +-=._:/@")


@pytest.mark.parametrize(
    "text", ["x", "7 until", "7 until then blue=0 green=100", "7 until 2026-11-29T12:00 blue=0"]
)
def test_a_tag_that_nobody_of_ours_wrote_is_refused(text: str) -> None:
    with pytest.raises(Conflict, match="no agent of ours"):
        mark(text)


def test_a_tag_may_lag_a_little_behind_a_switch_and_never_run_ahead() -> None:
    wanted = Mark(epoch=7, until=NOON, last_safe=ALL_GREEN)
    for seconds, good in ((0, True), (-4, True), (-6, False), (1, False)):
        assert told(replace(wanted, until=NOON + timedelta(seconds=seconds)), wanted) is good
    assert not told(Mark(epoch=7), wanted)
    assert not told(wanted, Mark(epoch=7))


@pytest.mark.parametrize("address", ["app.example.com:80", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:http"])
def test_an_address_that_no_target_group_takes_is_refused(address: str) -> None:
    with pytest.raises(BadInput):
        checked([address])


def test_numbers_and_instances_are_taken_once_each() -> None:
    assert checked(["10.0.0.1:80", "[::1]:80", "i-0abc:80", "10.0.0.1:80"]) == [
        "10.0.0.1:80",
        "[::1]:80",
        "i-0abc:80",
    ]
