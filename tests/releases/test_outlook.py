"""Before a GO people read what becomes of the runs under way, and how long they may take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from watership.adapters.memory import MemoryStore
from watership.durable.ids import DeploymentId, Key, RunId
from watership.durable.run import Run, Waiting
from watership.durable.states import RunState
from watership.releases.outlook import outlook, reckoned, words
from watership.testing import VirtualClock, run_in_virtual_time

LIVE = DeploymentId("green-1")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = 3600.0


def a_run(name: str, state: RunState, *, began: float = 0.0, epoch: int = 1, **facts: object) -> Run:
    """One that was submitted `began` seconds ago."""
    at = NOW - timedelta(seconds=began)
    row = {"id": RunId(name), "program": "p", "input": msgspec.Raw(b"null"), "state": state}
    return Run(**row, deployment=LIVE, created_at=at, updated_at=at, epoch=epoch, **facts)  # type: ignore[arg-type]


def test_what_was_begun_stays_and_what_was_not_can_move() -> None:
    found = [a_run(f"r{n}", RunState.RUNNING, began=n) for n in range(31)]
    found += [a_run(f"f{n}", RunState.READY, epoch=0) for n in range(6)]
    seen = reckoned(LIVE, found, {"p": 2 * HOUR}, NOW, total=37)
    assert words(seen) == "37 in flight: 31 stay, 6 can move, the longest about 2h"


def test_a_run_that_sleeps_takes_at_least_until_it_wakes() -> None:
    sleeper = a_run("s", RunState.WAITING, began=HOUR, wake_at=NOW + timedelta(seconds=5 * HOUR))
    assert reckoned(LIVE, [sleeper], {"p": 2 * HOUR}, NOW, total=1).longest == 5 * HOUR
    late = a_run("l", RunState.RUNNING, began=9 * HOUR)
    assert reckoned(LIVE, [late], {"p": 2 * HOUR}, NOW, total=1).longest == 0


def test_what_waits_for_people_and_what_nobody_knows_is_said_and_is_no_number() -> None:
    asks = a_run("a", RunState.WAITING, waits=(Waiting(kind="answer", key=Key("ask/0")),))
    child = a_run("c", RunState.WAITING, waits=(Waiting(kind="child", key=Key("c/0")),))
    doubt = a_run("d", RunState.IN_DOUBT)
    seen = reckoned(LIVE, [asks, child, doubt], {"p": None}, NOW, total=3)
    assert (seen.for_people, seen.unknown, seen.longest) == (2, 1, None)
    told = "3 in flight: 3 stay, 0 can move, 2 wait for people, of 1 nobody knows how long they take"
    assert words(seen) == told


def test_more_than_are_looked_at_are_counted() -> None:
    seen = reckoned(LIVE, [a_run("r", RunState.RUNNING)], {"p": 1.0}, NOW, total=2_000)
    assert words(seen) == "2,000 in flight: 1 stay, 0 can move, the longest about 1s, told of the newest 1"


def test_nothing_in_flight_is_said_in_words() -> None:
    async def main() -> None:
        clock = VirtualClock()
        seen = await outlook(MemoryStore(clock), LIVE, clock.now())
        assert words(seen) == "no run is in flight"

    run_in_virtual_time(main, limit_seconds=10)


@pytest.mark.parametrize("usual", [0.0, 90.0])
def test_what_is_over_its_usual_time_is_told_as_no_time(usual: float) -> None:
    assert reckoned(LIVE, [a_run("r", RunState.RUNNING, began=90)], {"p": usual}, NOW, total=1).longest == 0
