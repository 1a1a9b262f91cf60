"""The board shows a change within two seconds, at once when the bell rings, and keeps what it saw."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.notes import Notes
from watership.adapters.memory import MemoryBell, MemoryStore
from watership.errors import Unavailable
from watership.fleet.board import LATE_SECONDS, LOOK_SECONDS, FlagBoard
from watership.fleet.flags import FLAGS_TOPIC, Flag
from watership.testing.virtual_time import VirtualClock, run_in_virtual_time


class Breakable(MemoryStore):
    """Does not answer while it is broken."""

    broken = False

    async def flags(self) -> Sequence[Flag]:
        if self.broken:
            raise Unavailable("Broken.")
        return await super().flags()


def test_a_change_is_seen_within_two_seconds_without_a_ring() -> None:
    async def main() -> None:
        clock = VirtualClock()
        store = MemoryStore(clock)
        async with FlagBoard(store, MemoryBell(), clock, Notes()) as board:
            assert board.get("f") is None
            await store.set_flag(Flag(name="f", on=True))
            await clock.sleep(LOOK_SECONDS + 0.1)
            assert board.get("f") is not None

    run_in_virtual_time(main)


def test_a_change_is_seen_at_once_when_the_bell_rings() -> None:
    async def main() -> None:
        clock = VirtualClock()
        store, bell = MemoryStore(clock), MemoryBell()
        async with FlagBoard(store, bell, clock, Notes()) as board:
            await asyncio.sleep(0)
            await store.set_flag(Flag(name="f", on=True))
            bell.ring([FLAGS_TOPIC])
            await clock.sleep(0.01)
            assert board.get("f") is not None

    run_in_virtual_time(main)


def test_while_the_store_does_not_answer_the_last_word_holds_and_is_told_as_late() -> None:
    async def main() -> None:
        clock = VirtualClock()
        store, notes = Breakable(clock), Notes()
        await store.set_flag(Flag(name="f", on=True))
        async with FlagBoard(store, MemoryBell(), clock, notes) as board:
            store.broken = True
            await clock.sleep(2 * LATE_SECONDS)
            assert board.get("f") is not None
            assert (board.ready, board.late) == (True, True)
            assert notes.events == ["flags not read"]
            store.broken = False
            await clock.sleep(LOOK_SECONDS + 0.1)
            assert not board.late

    run_in_virtual_time(main)


def test_a_board_that_never_saw_the_flags_is_not_ready() -> None:
    async def main() -> None:
        clock = VirtualClock()
        store = Breakable(clock)
        store.broken = True
        async with FlagBoard(store, MemoryBell(), clock, Notes()) as board:
            assert not board.ready
            store.broken = False
            await clock.sleep(LOOK_SECONDS + 0.1)
            assert board.ready

    run_in_virtual_time(main)
