"""Weights, epochs and the dead-man's switch, in a time that the test decides."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.adapters.proxy.conftest import Pair
from watership.adapters.helm import kept
from watership.adapters.proxy.switchboard import Switchboard
from watership.errors import Fenced, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.ports import SlotWeights

BLUE, GREEN = Slot.BLUE, Slot.GREEN
ALL_BLUE: SlotWeights = {BLUE: 100, GREEN: 0}
HALF: SlotWeights = {BLUE: 50, GREEN: 50}
ALL_GREEN: SlotWeights = {BLUE: 0, GREEN: 100}


class Hands:
    """A clock whose wall time and time since boot a test moves, together or apart."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self.since_boot = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.since_boot

    async def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.since_boot += seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


async def standing(path: Path, hands: Hands, kind: type[Switchboard] = Switchboard) -> Switchboard:
    board = kind(path, hands)
    for slot, port in ((BLUE, 1), (GREEN, 2)):
        await board.set_targets(slot, [f"127.0.0.1:{port}"], epoch=1)
        board.lines[slot].instances[0].healthy = True
    return board


async def test_a_request_at_any_moment_of_a_shift_finds_a_slot_with_weight(
    tmp_path: Path, hands: Hands
) -> None:
    board = await standing(tmp_path / "state", hands)
    over, taken = asyncio.Event(), Counter[Slot]()

    async def requests() -> None:
        while not over.is_set():
            line, instance = board.pick()
            assert instance is not None and board.read().weights[line.slot] > 0
            taken[line.slot] += 1
            await asyncio.sleep(0)

    asking = asyncio.create_task(requests())
    for weights in (HALF, ALL_GREEN, ALL_BLUE, ALL_GREEN):
        await board.set_weights(weights, epoch=1)
    over.set()
    await asking
    assert min(taken.values()) > 0


async def test_the_switch_trips_when_its_time_is_over_and_not_before(tmp_path: Path, hands: Hands) -> None:
    board = await standing(tmp_path / "state", hands)
    await board.set_weights(HALF, epoch=3, hold_seconds=10, last_safe=ALL_BLUE)
    hands.pass_by(9.9)
    assert board.read().weights == HALF
    hands.pass_by(0.2)
    state = board.read()
    assert (state.weights, state.epoch, state.until) == (ALL_BLUE, 4, None)
    with pytest.raises(Fenced):
        await board.set_weights(HALF, epoch=3)


async def test_a_request_alone_trips_the_switch(tmp_path: Path, hands: Hands) -> None:
    board = await standing(tmp_path / "state", hands)
    await board.set_weights(ALL_GREEN, epoch=3, hold_seconds=10, last_safe=ALL_BLUE)
    hands.pass_by(10)
    assert {board.pick()[0].slot for _ in range(4)} == {BLUE}


async def test_a_jump_of_the_wall_clock_does_not_trip_the_switch(tmp_path: Path, hands: Hands) -> None:
    board = await standing(tmp_path / "state", hands)
    await board.set_weights(HALF, epoch=3, hold_seconds=10, last_safe=ALL_BLUE)
    hands.wall += timedelta(hours=1)
    assert board.read().weights == HALF
    hands.wall -= timedelta(hours=2)
    hands.since_boot += 11
    assert board.read().weights == ALL_BLUE


async def test_everything_survives_a_restart(tmp_path: Path, hands: Hands) -> None:
    board = await standing(tmp_path / "state", hands)
    await board.set_weights(HALF, epoch=3, hold_seconds=10, last_safe=ALL_BLUE)
    await board.pause(seconds=5, epoch=3)
    before = board.read()
    after = Switchboard(tmp_path / "state", hands).read()
    assert (after.weights, after.epoch, after.targets) == (HALF, 3, before.targets)
    assert (after.until, after.last_safe, after.paused) == (before.until, ALL_BLUE, True)


async def test_a_restart_after_the_time_is_over_begins_reverted(tmp_path: Path, hands: Hands) -> None:
    board = await standing(tmp_path / "state", hands)
    await board.set_weights(HALF, epoch=3, hold_seconds=10, last_safe=ALL_BLUE)
    hands.pass_by(11)
    again = Switchboard(tmp_path / "state", hands)
    assert (again.read().weights, again.read().epoch) == (ALL_BLUE, 4)


async def test_a_restart_of_the_machine_counts_by_the_wall_clock(tmp_path: Path, hands: Hands) -> None:
    board = await standing(tmp_path / "state", hands)
    await board.set_weights(HALF, epoch=3, hold_seconds=10, last_safe=ALL_BLUE)
    state = kept.load(tmp_path / "state")
    assert state.until is not None
    late = kept.Moment(hands.wall + timedelta(seconds=11), 5.0, "another boot")
    early = kept.Moment(hands.wall + timedelta(seconds=9), 5.0, "another boot")
    assert state.until.passed(late)
    assert not state.until.passed(early)


async def test_a_revert_is_kept_too(tmp_path: Path, hands: Hands) -> None:
    board = await standing(tmp_path / "state", hands)
    await board.set_weights(HALF, epoch=3, hold_seconds=10, last_safe=ALL_BLUE)
    hands.pass_by(11)
    assert board.trip_if_due()
    await board.keep()
    state = kept.load(tmp_path / "state")
    assert (state.weights, state.epoch, state.until) == (ALL_BLUE, 4, None)


class Trips(Switchboard):
    """The switch trips just while a change is being written."""

    async def _save(self, state: kept.Kept) -> None:
        await super()._save(state)
        if state.weights == ALL_GREEN:
            assert isinstance(self._clock, Hands)
            self._clock.pass_by(11)
            self.trip_if_due()


async def test_a_change_that_is_overtaken_by_the_switch_is_fenced(tmp_path: Path, hands: Hands) -> None:
    board = await standing(tmp_path / "state", hands, Trips)
    await board.set_weights(HALF, epoch=3, hold_seconds=10, last_safe=ALL_BLUE)
    with pytest.raises(Fenced):
        await board.set_weights(ALL_GREEN, epoch=3)
    assert board.read().weights == ALL_BLUE
    assert kept.load(tmp_path / "state").weights == ALL_BLUE


async def test_a_state_that_cannot_be_read_is_no_reason_to_guess(tmp_path: Path, hands: Hands) -> None:
    (tmp_path / "state").write_text("{broken", encoding="utf-8")
    with pytest.raises(Unavailable, match="state"):
        Switchboard(tmp_path / "state", hands)


async def test_a_revert_that_cannot_be_written_is_in_force_and_told_once(pair: Pair, tmp_path: Path) -> None:
    await pair.proxy.board.set_weights(ALL_BLUE, epoch=1, hold_seconds=0.05, last_safe=ALL_BLUE)
    shutil.rmtree(tmp_path)
    tmp_path.write_text("in the way")
    await pair.notes.until("router's state not kept")
    assert pair.proxy.board.read().epoch == 2
    tmp_path.unlink()
    async with asyncio.timeout(10):
        while not (tmp_path / "router.json").exists():
            await asyncio.sleep(0.02)
    assert pair.notes.count("router's state not kept") == 1
