"""A fuse blows on a whole window of what it watches, and on nothing less."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from watership.errors import BadInput
from watership.releases.book.shelf import shipped
from watership.releases.judging.fuse import (
    Action,
    Blown,
    Drift,
    ErrorRate,
    Event,
    Intact,
    Level,
    Lost,
    Reading,
    Second,
    Trend,
    Unknown,
    blown,
    inspect,
)
from watership.releases.judging.sources import ALWAYS, blind

TEN_PERCENT = ErrorRate(above=0.1, window=120, then="roll_back")
SLOW = Level(of="latency_p95", slower_than=5, window=30, min_samples=50, then="roll_back")
DATABASE = Lost(of="database", window=30, then="roll_back")


def span(length: int, live: Reading | None = None, start: int = 0, **shown: Any) -> list[Second]:
    return [Second(at=start + at, live=live or Reading(), next=Reading(**shown)) for at in range(length)]


def test_errors_above_ten_percent_for_two_minutes_roll_back() -> None:
    state = inspect(TEN_PERCENT, span(120, requests=10, errors=2))
    assert isinstance(state, Blown)
    assert state.action is Action.ROLL_BACK
    assert "240 of 1,200 requests failed (20 %)" in state.reason


def test_ten_percent_exactly_is_in_order() -> None:
    assert isinstance(inspect(TEN_PERCENT, span(120, requests=10, errors=1)), Intact)


def test_a_short_window_is_unknown() -> None:
    assert isinstance(inspect(TEN_PERCENT, span(119, requests=10, errors=9)), Unknown)
    assert isinstance(inspect(TEN_PERCENT, []), Unknown)


def test_a_missing_second_is_unknown() -> None:
    gap = span(60, requests=10, errors=9) + span(60, requests=10, errors=9, start=61)
    assert isinstance(inspect(TEN_PERCENT, gap), Unknown)


def test_an_unmeasured_second_is_unknown() -> None:
    seconds = span(119, requests=10, errors=9) + span(1, start=119)
    assert isinstance(inspect(TEN_PERCENT, seconds), Unknown)


def test_fewer_than_fifty_requests_are_unknown() -> None:
    seconds = span(49, requests=1, errors=1) + span(71, start=49, requests=0, errors=0)
    assert isinstance(inspect(TEN_PERCENT, seconds), Unknown)
    seconds = span(50, requests=1, errors=1) + span(70, start=50, requests=0, errors=0)
    assert isinstance(inspect(TEN_PERCENT, seconds), Blown)


def test_a_band_has_an_upper_end() -> None:
    band = ErrorRate(above=0.01, up_to=0.05, window=100, then="investigate")
    found = [inspect(band, span(100, requests=100, errors=bad)) for bad in (1, 2, 5, 6)]
    assert [type(state) for state in found] == [Intact, Blown, Blown, Intact]


def test_latency_must_be_high_throughout() -> None:
    high = span(30, requests=10, latency_p95=6.0)
    assert isinstance(inspect(SLOW, high), Blown)
    good = [*high[:-1], replace(high[-1], next=Reading(requests=10, latency_p95=4.0))]
    assert isinstance(inspect(SLOW, good), Intact)
    unmeasured = [*high[:-1], replace(high[-1], next=Reading(requests=10))]
    assert isinstance(inspect(SLOW, unmeasured), Unknown)
    assert isinstance(inspect(SLOW, span(30, requests=1, latency_p95=6.0)), Unknown)


def test_a_dependency_lost_for_next_alone_rolls_back() -> None:
    state = inspect(DATABASE, span(30, live=Reading(database=True), database=False))
    assert isinstance(state, Blown)
    assert state.action is Action.ROLL_BACK


@pytest.mark.parametrize("live", [Reading(database=False), Reading()])
def test_a_dependency_lost_for_both_freezes(live: Reading) -> None:
    state = inspect(DATABASE, span(30, live=live, database=False))
    assert isinstance(state, Blown)
    assert state.action is Action.FREEZE


def test_a_dependency_that_came_back_or_was_not_asked_blows_nothing() -> None:
    lost = span(29, live=Reading(database=True), database=False)
    assert isinstance(inspect(DATABASE, [*lost, *span(1, start=29, database=True)]), Intact)
    assert isinstance(inspect(DATABASE, [*lost, *span(1, start=29)]), Unknown)
    assert isinstance(inspect(DATABASE, lost), Unknown)


@pytest.mark.parametrize("of", ["cache_hit_rate", "query_time"])
def test_a_drift_is_not_known_while_nobody_measures_it_or_says_what_is_usual(of: Trend) -> None:
    drift = Drift(of=of, window=60, then="page")
    assert isinstance(inspect(drift, span(60, requests=10, errors=0), {of: 0.5}), Unknown)
    alone = [Second(at=at, next=replace(Reading(), **{of: 0.5})) for at in range(60)]
    assert isinstance(inspect(drift, alone), Unknown)
    assert blind([drift], ALWAYS - {of}) == (drift.name,)


def test_a_drift_is_held_against_live_in_the_same_second_and_else_against_the_baseline() -> None:
    hits = Drift(of="cache_hit_rate", window=60, then="page")
    halved = span(60, live=Reading(cache_hit_rate=0.9), cache_hit_rate=0.44)
    state = inspect(hits, halved)
    assert isinstance(state, Blown) and "0.44" in state.reason and "0.9" in state.reason
    assert isinstance(inspect(hits, halved, {"cache_hit_rate": 0.1}), Blown), "live is asked first"
    alone = span(60, cache_hit_rate=0.44)
    assert isinstance(inspect(hits, alone, {"cache_hit_rate": 0.9}), Blown)
    assert isinstance(inspect(hits, alone, {"cache_hit_rate": 0.88}), Intact), "half is not below half"
    good = [*halved[:-1], replace(halved[-1], next=Reading(cache_hit_rate=0.9))]
    assert isinstance(inspect(hits, good), Intact)

    slow = Drift(of="query_time", window=60, then="page")
    assert isinstance(inspect(slow, span(60, live=Reading(query_time=0.01), query_time=0.021)), Blown)
    assert isinstance(inspect(slow, span(60, live=Reading(query_time=0.01), query_time=0.02)), Intact)


def test_seconds_that_were_told_together_fill_a_window_as_long_as_they_are() -> None:
    def told(ends: range) -> list[Second]:
        seen = Reading(requests=150, errors=30)
        return [Second(at=at, span=15, live=Reading(), next=seen) for at in ends]

    assert isinstance(inspect(TEN_PERCENT, told(range(15, 120, 15))), Unknown), "105 seconds of 120"
    assert isinstance(inspect(TEN_PERCENT, told(range(15, 121, 15))), Blown)
    gap = [*told(range(15, 61, 15)), *told(range(90, 151, 15))]
    assert isinstance(inspect(TEN_PERCENT, gap), Unknown)


def test_one_event_is_enough_and_only_its_own() -> None:
    corrupted = span(1, happened={"data_corruption": True, "out_of_memory": False})
    assert isinstance(inspect(Event(of="data_corruption", then="roll_back"), corrupted), Blown)
    assert isinstance(inspect(Event(of="out_of_memory", then="roll_back"), corrupted), Intact)


def test_an_event_that_nobody_looks_for_is_unknown() -> None:
    memory = Event(of="out_of_memory", then="roll_back")

    assert isinstance(inspect(memory, span(60, requests=10, errors=0)), Unknown)
    assert isinstance(inspect(memory, []), Unknown)
    assert isinstance(inspect(memory, span(60, happened={"data_corruption": False})), Unknown)
    assert isinstance(inspect(memory, span(60, happened={"out_of_memory": False})), Intact)


def test_the_most_urgent_comes_first() -> None:
    fuses = shipped("one-machine").runbook.fuses
    seconds = span(600, requests=10, errors=2, memory=0.9, latency_p95=6.0)
    actions = [state.action for state in blown(fuses, seconds)]
    assert actions == [Action.ROLL_BACK] * 2 + [Action.PAGE] * 3


def test_a_quiet_release_blows_nothing_of_the_shipped_runbook() -> None:
    quiet = Reading(
        requests=10, errors=0, latency_p95=0.1, cpu=0.3, memory=0.5, disk=0.4, database=True, rabbitmq=True
    )
    seconds = [Second(at=at, live=quiet, next=quiet) for at in range(600)]
    assert blown(shipped("one-machine").runbook.fuses, seconds) == []


def test_a_level_has_the_bound_of_its_kind() -> None:
    with pytest.raises(BadInput):
        Level(of="cpu", slower_than=5, window=30, then="page")
    with pytest.raises(BadInput):
        Level(of="latency_p95", above=0.5, window=30, then="page")
    with pytest.raises(BadInput, match="more_than"):
        Level(of="queue_depth", above=0.5, window=30, then="page")
    assert (
        Level(of="queue_depth", more_than=1000, window=60, then="page").name
        == "queue_depth above 1,000 for 1m"
    )
