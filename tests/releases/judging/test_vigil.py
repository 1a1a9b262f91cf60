"""A vigil counts each second once, and says what it does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from tests.releases.plans import NOON, a_plan
from tests.simulation.release_targets import SimRouter
from tests.simulation.release_world import SHORT_SOURCE, ReleaseWorld
from watership.fleet.deployment import Slot
from watership.releases.book.shelf import Source
from watership.releases.judging.fuse import Level, Lost
from watership.releases.judging.sources import UNTOLD
from watership.releases.judging.traffic import together
from watership.releases.judging.vigil import Vigil, Watchword, counted
from watership.releases.order import Order
from watership.releases.plan import Overrides
from watership.releases.ports import TrafficTick
from watership.releases.program import Outcome
from watership.releases.snapshots import load
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


def spans(*ends: int, errors: int = 0) -> Mapping[Slot, list[TrafficTick]]:
    """What is scraped every fifteen seconds."""
    told = ticks(*ends, errors=errors)
    return {slot: [structs.replace(tick, span=15) for tick in of] for slot, of in told.items()}


def test_a_tick_of_many_seconds_is_seen_whole_and_folded_once() -> None:
    state = counted(word(), counted(word(), vigil(every=15), spans(15, 30)), spans(30, 45))

    assert (state.seen, state.gate.ticks, state.requests, state.last) == (45, 3, 300, START + 45)
    assert [second.span for second in state.seconds] == [15, 15, 15]


def test_what_is_scraped_may_be_known_late_and_what_is_later_still_is_blind() -> None:
    scraped = vigil(every=15, last=START + 60, seen=60, until=START + 60 + 45)
    late = structs.replace(scraped, until=START + 60 + 45 + 31)

    assert (scraped.blind, scraped.unseen, scraped.lacks(60.0), scraped.lacks(90.0)) == (0, 0, False, True)
    assert (late.blind, late.unseen, late.clear) == (31, 31, False)
    assert vigil(last=START + 60, seen=60, until=START + 90).blind == 30, "a router knows its seconds at once"


def test_the_first_tick_of_many_seconds_may_begin_late_and_no_more_may_be_missing() -> None:
    missing = vigil(every=15, last=START + 60, seen=45, until=START + 60)
    more = structs.replace(missing, seen=30)

    assert (missing.clear, more.clear) == (True, False)


def test_a_release_whose_traffic_is_scraped_is_soaked_until_enough_was_told_and_promoted() -> None:
    class Scraped(SimRouter):
        """Counts in spans of five seconds, known five seconds later."""

        async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
            every, known = 5, until - 5
            ends = [end for end in range(after + 1, known + 1) if end % every == 0 and end - every >= after]
            return {slot: [self._span(slot, end, every) for end in ends] for slot in Slot}

        def _span(self, slot: Slot, end: int, every: int) -> TrafficTick:
            seconds = [
                self.served[slot][at] for at in range(end - every + 1, end + 1) if at in self.served[slot]
            ]
            return structs.replace(together(seconds), second=end, span=every)

    def released(bad: float) -> tuple[Outcome, Vigil]:
        async def main() -> tuple[Outcome, Vigil]:
            world = ReleaseWorld(router=Scraped, bad=bad)
            await world.begin()
            controller = world.controller()
            controller._env = replace(controller._env, every=5)
            outcome = await controller.start(world.brief())
            state = await load(world.snapshots, f"{world.plan.release}.cutover/soak.1", Vigil)
            assert state is not None
            return outcome, state

        return run_in_virtual_time(main, limit_seconds=3600.0)

    good, soak = released(0.0)
    assert (good.outcome, soak.every) == ("promoted", 5), good.reason
    # Eight seconds were asked for: what was told reaches up to them, less a span.
    assert soak.seen >= 5 and soak.last >= soak.began.timestamp() + 8 - 5
    bad, _ = released(0.2)
    assert bad.outcome == "rolled_back" and "errors" in bad.reason


def test_a_fuse_that_is_told_nothing_for_a_minute_is_put_down_once() -> None:
    lost = Lost(of="database", window=5.0, then="roll_back")
    seen = Level(of="disk", above=0.9, window=5.0, then="page")
    elsewhere = Level(of="queue_depth", more_than=10.0, window=5.0, then="page")
    book = structs.replace(SHORT_SOURCE.runbook, fuses=(lost, seen, elsewhere))

    async def main() -> list[tuple[int, object]]:
        world = ReleaseWorld(
            source=Source(runbook=book, sha256="0" * 64), overrides=Overrides(watch_seconds=90.0)
        )
        await world.begin()
        began = 0.0
        starting = asyncio.create_task(world.controller().start(world.brief()))
        while not starting.done():
            await world.clock.sleep(0.5)
            if not began and any(entry.action == "release.watch.begun" for entry in world.audit.kept):
                began = world.clock.now().timestamp()
        assert starting.result().outcome == "promoted", starting.result().reason
        entries = [entry for entry in world.audit.kept if entry.action == UNTOLD]
        return [(round(each.at.timestamp() - began), each.facts["fuses"]) for each in entries]

    (told,) = run_in_virtual_time(main, limit_seconds=3600.0)

    # Nobody says anything of the database; the disk is looked at; a queue's depth has no source, as the plan says.
    assert told == (61, [lost.name])
