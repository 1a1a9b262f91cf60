"""New work is taken while what waits can be worked off in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from watership.durable.ports import Backlog
from watership.fleet.admission import (
    BACKLOG_FLOOR,
    BACKLOG_MOST,
    RETRY_FIRST,
    RETRY_MOST,
    WRITES_WAITING,
    Load,
    decide,
    load_of,
    rate_of,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def load(**facts: Any) -> Load:
    return Load(**{"ready": 0, "oldest_seconds": 0.0, "rate": None, "workers": 1, "writes": 0} | facts)


def seen(after: float, ready: int, made: int, **facts: Any) -> Backlog:
    at = START + timedelta(seconds=after)
    told: dict[str, Any] = {"oldest": None, "workers": 1} | facts
    return Backlog(ready=ready, made=made, at=at, **told)


@pytest.mark.parametrize(
    "fine",
    [
        load(),
        load(ready=BACKLOG_FLOOR, rate=0.001, oldest_seconds=900),
        load(ready=5_000, rate=1_000.0),
        load(ready=5_000, oldest_seconds=5.0),
        load(ready=BACKLOG_MOST - 1, workers=0, oldest_seconds=900),
        load(writes=WRITES_WAITING - 1),
    ],
)
def test_a_run_is_let_in_while_what_waits_is_little_or_soon_worked_off(fine: Load) -> None:
    assert decide(fine) is None


@pytest.mark.parametrize(
    ("much", "retry_after"),
    [
        (load(ready=8_000, rate=1_000.0), 3.0),
        (load(ready=5_001, rate=1_000.0), RETRY_FIRST),
        (load(ready=BACKLOG_FLOOR + 1, rate=1.0), RETRY_MOST),
        (load(ready=BACKLOG_FLOOR + 1, oldest_seconds=12.0), 7.0),
        (load(ready=BACKLOG_FLOOR + 1, rate=0.0, oldest_seconds=12.0), 7.0),
        (load(ready=BACKLOG_MOST, rate=1e9), RETRY_MOST),
        (load(ready=BACKLOG_MOST, workers=0), RETRY_MOST),
        (load(writes=WRITES_WAITING), RETRY_FIRST),
    ],
)
def test_a_run_is_refused_while_too_much_waits_and_told_when_to_come_again(
    much: Load, retry_after: float
) -> None:
    refusal = decide(much)
    assert refusal is not None
    assert refusal.retry_after == pytest.approx(retry_after)


def test_the_rate_is_what_was_made_and_does_not_wait_any_more() -> None:
    assert rate_of([seen(0, 110, 100), seen(1, 140, 200), seen(2, 210, 500)]) == 150.0


def test_a_burst_after_a_quiet_time_is_not_measured_by_what_came_in_the_quiet_time() -> None:
    quiet = [seen(0, 0, 100), seen(1, 1, 150), seen(2, 0, 200)]
    assert rate_of([*quiet, seen(3, 501, 900)]) is None
    assert rate_of([*quiet, seen(3, 501, 900), seen(4, 601, 2_000)]) == 1_000.0


def test_no_rate_is_told_of_one_count_or_of_counts_that_reached_their_limit() -> None:
    assert rate_of([seen(0, 200, 100)]) is None
    assert rate_of([seen(0, 200, 100), seen(0, 200, 100)]) is None
    assert rate_of([seen(0, BACKLOG_MOST, 100), seen(1, 200, 100)]) is None


def test_what_was_let_in_since_the_count_waits_too() -> None:
    oldest = START - timedelta(seconds=2)
    told = load_of([seen(0, 10, 100, oldest=oldest, workers=3)]).since(let_in=7, writes=4)
    assert told == Load(ready=17, oldest_seconds=2.0, rate=None, workers=3, writes=4)
