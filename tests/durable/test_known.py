"""Known outcomes: held for company, then under way, then landed; all of them together, and no others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import product

import pytest

from watership.durable.events import TimerFired
from watership.durable.ids import Key
from watership.durable.known import LINGER_TICKS, MOVES, Known, Phase

FIRED = TimerFired(key=Key("sleep/0"))
LATER = TimerFired(key=Key("sleep/1"))


def at(phase: Phase) -> Known:
    """Known outcomes in this phase."""
    known = Known(lambda: None)
    if phase is not Phase.NONE:
        known.hold(FIRED)
    if phase in (Phase.FLYING, Phase.BROKEN):
        known.take()
    if phase is Phase.BROKEN:
        known.land(broken=True)
    assert known.phase is phase
    return known


ASKED: dict[Phase, Callable[[Known], None]] = {
    Phase.HELD: lambda known: known.hold(LATER),
    Phase.NONE: lambda known: known.land(),
    Phase.BROKEN: lambda known: known.land(broken=True),
}


@pytest.mark.parametrize(("before", "after"), list(product(Phase, ASKED)))
async def test_they_go_where_the_table_says_and_else_nothing_changes(before: Phase, after: Phase) -> None:
    known = at(before)
    if after in MOVES[before]:
        ASKED[after](known)
        assert known.phase is after
        return
    with pytest.raises(AssertionError, match=f"{before.value} become {after.value}"):
        ASKED[after](known)
    assert known.phase is before
    assert known.take() == ((FIRED,) if before is Phase.HELD else ())


@pytest.mark.parametrize("before", Phase)
async def test_only_what_is_held_is_taken_and_only_once(before: Phase) -> None:
    known = at(before)
    assert known.take() == ((FIRED,) if before is Phase.HELD else ())
    assert known.phase is (Phase.FLYING if before is Phase.HELD else before)
    assert known.take() == ()


async def test_they_are_taken_in_the_order_in_which_they_became_known() -> None:
    known = at(Phase.HELD)
    known.hold(LATER)
    assert known.take() == (FIRED, LATER)


async def test_without_company_they_are_sent_alone_after_so_many_turns_of_the_loop() -> None:
    sent: list[bool] = []
    known = Known(lambda: sent.append(True))
    known.hold(FIRED)
    for _ in range(LINGER_TICKS - 1):
        await asyncio.sleep(0)
    assert not sent
    await asyncio.sleep(0)
    assert sent


async def test_those_that_found_company_are_not_sent_again() -> None:
    sent: list[bool] = []
    known = Known(lambda: sent.append(True))
    known.hold(FIRED)
    known.take()
    for _ in range(2 * LINGER_TICKS):
        await asyncio.sleep(0)
    assert not sent


@pytest.mark.parametrize("broken", [False, True])
async def test_who_waits_for_the_landing_hears_how_it_was(broken: bool) -> None:
    known = at(Phase.FLYING)
    gone, waiting = [asyncio.create_task(known.landed()) for _ in range(2)]
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    known.land(broken=broken)
    assert await waiting is await known.landed() is not broken


async def test_what_is_held_or_not_there_is_not_waited_for() -> None:
    assert await at(Phase.NONE).landed() and await at(Phase.HELD).landed()
