"""A clock that leaps, for every process that reads the same file."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from watership.adapters.rehearsal.clock import LeapingClock
from watership.errors import BadInput


def test_a_leap_is_seen_by_whoever_reads_the_same_file(tmp_path: Path) -> None:
    here, there = LeapingClock(tmp_path / "calendar"), LeapingClock(tmp_path / "calendar")
    before = there.now()

    here.leap(3600.0)
    here.leap(60.0)

    assert there.now() - before >= timedelta(seconds=3660)
    assert there.ahead == 3660.0


async def test_a_sleeper_wakes_when_its_time_is_leapt_over(tmp_path: Path) -> None:
    clock = LeapingClock(tmp_path / "calendar")
    sleeper = asyncio.create_task(clock.sleep(7200.0))
    await asyncio.sleep(0)

    clock.leap(7200.0)

    await asyncio.wait_for(sleeper, 10.0)


def test_the_clock_never_goes_back(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="forward"):
        LeapingClock(tmp_path / "calendar").leap(-1.0)
