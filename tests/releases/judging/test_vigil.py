"""A vigil counts each second once, and says what it does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tests.releases.plans import NOON, a_plan
from tests.simulation.release_world import ReleaseWorld
from watership.fleet.deployment import Slot
from watership.releases.judging.vigil import Vigil, Watchword, counted
from watership.releases.order import Order
from watership.releases.plan import Overrides
from watership.releases.ports import TrafficTick
from watership.releases.program import Outcome
from watership.testing import run_in_virtual_time

PLAN = a_plan()
START = int(NOON.timestamp())


async def nothing() -> None:
    return None


def word() -> Watchword:
    return Watchword(
        name="soak",
        plan=PLAN,
        gate=PLAN.gate,
        length=60.0,
        give_up=600.0,
        promotes=True,
        keep=nothing,
        ordered=nothing,
    )


def ticks(
    *seconds: int, errors: int = 0, slots: Sequence[Slot] = tuple(Slot)
) -> Mapping[Slot, list[TrafficTick]]:
    def tick(second: int, slot: Slot) -> TrafficTick:
        return TrafficTick(
            second=START + second,
            requests=100,
            errors=errors if slot is PLAN.next.slot else 0,
            latencies={"0.005": 100, "5": 0},
        )

    return {slot: [tick(second, slot) for second in seconds] for slot in slots}


def vigil(**facts: Any) -> Vigil:
    values: dict[str, Any] = {"began": NOON, "last": START} | facts
    return Vigil(**values)


def test_a_second_is_counted_once_however_often_it_is_told() -> None:
    once = counted(word(), vigil(), ticks(1, 2))
    twice = counted(word(), once, ticks(1, 2, 3))

    assert (once.requests, twice.requests, twice.gate.ticks, twice.last) == (200, 300, 3, START + 3)


def test_a_second_that_only_one_slot_tells_of_is_not_counted() -> None:
    state = counted(word(), vigil(), ticks(1, slots=[PLAN.next.slot]))

    assert (state.requests, state.gate.ticks, state.last) == (0, 0, START)


def test_the_first_error_on_next_is_remembered() -> None:
    state = counted(word(), counted(word(), vigil(), ticks(1)), ticks(2, 3, errors=4))

    assert (state.first_error, state.errors) == (START + 2, 8)


def test_what_is_kept_for_the_fuses_is_bounded_by_their_longest_window() -> None:
    longest = max(round(getattr(fuse, "window", 1.0)) for fuse in PLAN.fuses)

    state = counted(word(), vigil(), ticks(*range(1, longest + 100)))

    assert len(state.seconds) == longest and state.seconds[-1].at == START + longest + 99


def test_seconds_that_nobody_told_of_are_counted_wherever_they_were() -> None:
    gap = counted(word(), counted(word(), vigil(), ticks(1, 2)), ticks(6, 7))

    assert (gap.gate.ticks, gap.length, gap.unseen) == (4, 7, 3)


def test_a_watch_with_too_many_unseen_seconds_rules_nothing_out() -> None:
    def watched(blind_seconds: float) -> Outcome:
        async def main() -> Outcome:
            world = ReleaseWorld(overrides=Overrides(watch_seconds=120.0))
            await world.begin()
            controller = world.controller()
            starting = asyncio.create_task(controller.start(world.brief()))
            while not any(entry.action == "release.watch.begun" for entry in world.audit.kept):
                await world.clock.sleep(0.1)
            await world.clock.sleep(10)
            world.router.forgets = True
            await world.clock.sleep(blind_seconds)
            world.router.forgets = False
            while not any(entry.action == "release.watch.inconclusive" for entry in world.audit.kept):
                if starting.done():
                    return starting.result()
                await world.clock.sleep(1.0)
            assert not starting.done(), "a watch without a verdict waits for a person"
            await controller.order(Order(kind="accept", who="Ina Charge"))
            return await starting

        return run_in_virtual_time(main, limit_seconds=3600.0)

    much, little = watched(30), watched(3)

    assert much.reason.startswith("accepted by Ina Charge without a verdict: ")
    assert "rule nothing out" in much.reason and "of 1" in much.reason
    assert "rule nothing out" not in little.reason and "were not seen" in little.reason


def test_a_soak_that_missed_seconds_looks_longer_before_it_promotes() -> None:
    async def main() -> tuple[Outcome, int]:
        world = ReleaseWorld()
        await world.begin()
        starting = asyncio.create_task(world.controller().start(world.brief()))
        while not any(entry.action == "release.cutover.soak.begun" for entry in world.audit.kept):
            await world.clock.sleep(0.1)
        world.router.forgets = True
        await world.clock.sleep(4)
        world.router.forgets = False
        began = world.clock.now()
        while not any(entry.action.startswith("release.cutover.full") for entry in world.audit.kept):
            await world.clock.sleep(0.1)
            if starting.done():
                break
        return await starting, round((world.clock.now() - began).total_seconds())

    outcome, seconds = run_in_virtual_time(main, limit_seconds=3600.0)

    # Eight seconds are planned and 25 at most: three or four that are missing are never a twentieth of these.
    assert (outcome.outcome, "rule nothing out" in outcome.reason) == ("rolled_back", True)
    assert seconds > 15
