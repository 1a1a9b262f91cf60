"""Schedules: windows in a zone's own time, each of them one run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watership.agents.schedule import Schedule
from watership.errors import BadInput


def schedule(cron: str, **facts: Any) -> Schedule:
    return Schedule(**({"name": "report", "agent": "reporter", "cron": cron} | facts))


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_windows_are_in_the_time_of_their_zone() -> None:
    windows = schedule("0 9 * * mon-fri", zone="Europe/Berlin").after(utc(2026, 3, 26, 12))
    assert list(islice(windows, 3)) == [utc(2026, 3, 27, 8), utc(2026, 3, 30, 7), utc(2026, 3, 31, 7)]


def test_a_window_that_the_clock_jumps_over_comes_right_after() -> None:
    windows = schedule("30 2 * * *", zone="Europe/Berlin").after(utc(2026, 3, 28, 12))
    assert list(islice(windows, 2)) == [utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)]


def test_a_window_whose_hour_comes_twice_comes_once() -> None:
    windows = schedule("30 2 * * *", zone="Europe/Berlin").after(utc(2026, 10, 24, 12))
    assert list(islice(windows, 2)) == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]


def test_a_window_is_due_from_its_time_on_until_its_grace_is_over() -> None:
    hourly = schedule("0 * * * *", grace_seconds=60)
    noon = utc(2026, 11, 27, 12)
    second = timedelta(seconds=1)
    assert hourly.due(noon - second) == []
    assert hourly.due(noon) == hourly.due(noon + 59 * second) == [noon]
    assert hourly.due(noon + 60 * second) == []


def test_of_several_that_nobody_was_there_for_the_latest_is_due_or_every_one() -> None:
    now = utc(2026, 11, 27, 12, 30)
    late = {"grace_seconds": 3 * 3600}
    assert schedule("0 * * * *", **late).due(now) == [utc(2026, 11, 27, 12)]
    assert schedule("0 * * * *", every_window=True, **late).due(now) == [
        utc(2026, 11, 27, hour) for hour in (10, 11, 12)
    ]


def test_a_window_names_one_run_whatever_zone_it_is_spelt_in() -> None:
    one = schedule("0 9 * * *")
    window = utc(2026, 11, 27, 9)
    assert one.run_id(window) == one.run_id(window.astimezone())
    assert len({one.run_id(window), one.run_id(window + timedelta(days=1))}) == 2
    assert schedule("0 9 * * *", name="other").run_id(window) != one.run_id(window)


@pytest.mark.parametrize(
    "facts",
    [
        {"cron": "every day"},
        {"cron": "0 9 * *"},
        {"cron": "61 9 * * *"},
        {"cron": "0 0 31 2 *"},
        {"cron": "0 9 * * *", "zone": "Europe/Atlantis"},
        {"cron": "0 9 * * *", "name": "nine o'clock"},
        {"cron": "0 9 * * *", "grace_seconds": 0.0},
    ],
)
def test_what_is_no_schedule_is_refused_where_it_is_declared(facts: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        schedule(**facts)


CRONS = st.sampled_from(["*/7 * * * *", "0 */5 * * *", "15,45 2-4 * * *", "0 9 * * mon", "0 0 1 * *"])
# A year, with its changes of the clocks.
MOMENTS = st.integers(0, 365 * 86_400).map(lambda seconds: utc(2026, 1, 1) + timedelta(seconds=seconds))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])


@given(CRONS, ZONES, MOMENTS)
def test_whoever_looks_often_enough_finds_each_window_and_no_other(
    cron: str, zone: str, start: datetime
) -> None:
    hourly = schedule(cron, zone=zone, grace_seconds=120)
    looks = [start + timedelta(seconds=61 * number) for number in range(1, 400)]
    found = {window for look in looks for window in hourly.due(look)}
    wanted = {
        window for window in islice(hourly.after(start - timedelta(seconds=59)), 500) if window <= looks[-1]
    }
    assert {window for window in found if window > start - timedelta(seconds=59)} == wanted
