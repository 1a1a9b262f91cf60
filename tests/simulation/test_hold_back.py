"""A watch that holds a little back: it stays on live until the watch is over, and tells whose fault an outage is."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.simulation.release_world import LIVE, NEXT, SHORT, ReleaseWorld
from watership.errors import BadInput
from watership.releases.book.document import DocumentError, parse
from watership.releases.book.runbook import Runbook
from watership.releases.book.shelf import Source
from watership.releases.judging.arms import Tick
from watership.releases.judging.promise import bound, promise
from watership.releases.judging.replay import replays
from watership.releases.plan import Plan
from watership.releases.program import Outcome
from watership.testing import run_in_virtual_time

SECONDS = 3600.0
ALONE = "watch: { length: 10s, gate: { min_samples: 1000, arms: ["
COMPARED = (
    "watch: { length: 300s, hold_back: 10%, gate: { min_samples: 1000, arms: ["
    "{ against: live, of: errors, tolerance: 0.1%, sees: 5% }, "
)


def held_back(share: str = "10%") -> Source:
    text = SHORT.replace(ALONE, COMPARED.replace("10%", share))
    return Source(runbook=parse(text, Runbook), sha256="0" * 64)


def released(
    world_of: dict[str, Any], *deaths: int, worsens: dict[Any, float] | None = None
) -> tuple[Any, ...]:
    """A release with something held back; `worsens`: what each side fails of, 30 s into the watch."""

    async def main() -> tuple[Outcome, list[str], ReleaseWorld, list[int]]:
        world = ReleaseWorld(source=held_back(), **world_of)
        seen: list[int] = []

        async def spoil() -> None:
            while True:
                await world.clock.sleep(1.0)
                share = world.router.weights[NEXT.slot]
                seen.append(share)
                if worsens and seen.count(90) == 30:
                    world.router._bad.update(worsens)

        spoiling = asyncio.create_task(spoil())
        try:
            async with asyncio.timeout(SECONDS / 2):
                outcome = await world.release(*deaths)
        finally:
            spoiling.cancel()
        return outcome, await world.faults(outcome), world, seen

    return run_in_virtual_time(main, limit_seconds=SECONDS)


def test_live_keeps_what_is_held_back_through_the_watch_and_then_nothing() -> None:
    outcome, faults, world, seen = released({})
    assert (outcome.outcome, faults) == ("promoted", [])
    watched = seen[seen.index(90) :]
    assert watched.count(90) >= 295
    assert set(watched) <= {90, 100}
    assert world.router.weights == {NEXT.slot: 100, LIVE.slot: 0}


def test_a_controller_that_dies_in_such_a_release_ends_it_as_if_it_had_not(nightly: bool) -> None:
    _, _, world, _ = released({})
    calls = world.lives[0].calls
    late = range(calls - 12, calls + 1, 2)  # the end of the watch, and what was held back is let go
    for dies_at in (*(range(1, calls, 5) if nightly else (170, calls // 2)), *late):
        outcome, faults, _, _ = released({}, dies_at)
        assert (outcome.outcome, faults) == ("promoted", []), dies_at


def test_next_that_worsens_in_such_a_watch_is_taken_back() -> None:
    outcome, faults, _, _ = released({}, worsens={NEXT.deployment: 0.15})
    assert (outcome.outcome, faults) == ("rolled_back", [])
    assert outcome.reason.startswith("The watch: errors against")


def test_an_outage_of_both_calls_a_person_and_rolls_nothing_back() -> None:
    async def main() -> tuple[list[str], int]:
        world = ReleaseWorld(source=held_back())
        running = asyncio.create_task(world.release())
        for _ in range(200):
            await world.clock.sleep(1.0)
            if world.router.weights[NEXT.slot] == 90:
                world.router._bad.update({NEXT.deployment: 0.06, LIVE.deployment: 0.06})
        told = [entry.action for entry in world.audit.entries()]
        share = world.router.weights[NEXT.slot]
        await world.kill(world.lives[-1], {running})
        return told, share

    told, share = run_in_virtual_time(main, limit_seconds=SECONDS)
    assert told.count("release.page") == 1
    assert share == 90


def test_weights_are_whole_per_cents_and_so_is_what_is_held_back() -> None:
    with pytest.raises((BadInput, DocumentError), match="whole per cents"):
        held_back("1.5%")


def test_the_gate_s_word_is_recomputed_from_what_it_counted_whoever_died_meanwhile() -> None:
    _, _, world, _ = released({}, 200, 300)

    async def again() -> list[tuple[int, bool]]:
        return [(each.ticks, each.agrees) for each in await replays(world.snapshots, world.plan)]

    (soak, agrees), (watch, agrees_too) = run_in_virtual_time(again, limit_seconds=SECONDS)
    assert agrees
    assert agrees_too
    assert soak >= 6
    assert watch >= 290


def test_a_forged_count_is_found_by_the_replay() -> None:
    _, _, world, _ = released({})
    name = next(name for name in world.snapshots.kept if name.endswith("watch.trail.0"))
    ticks = msgspec.json.decode(world.snapshots.kept[name], type=list[Tick])
    forged = [Tick(live=each.live, next=msgspec.structs.replace(each.next, errors=1)) for each in ticks]
    world.snapshots.kept[name] = msgspec.json.encode(forged)

    async def again() -> list[bool]:
        return [each.agrees for each in await replays(world.snapshots, world.plan)]

    assert run_in_virtual_time(again, limit_seconds=SECONDS) == [True, False]


def test_the_promise_adds_up_what_each_gate_may_err() -> None:
    async def main() -> Plan:
        return ReleaseWorld(source=held_back()).plan

    plan = run_in_virtual_time(main)
    assert bound(plan) == pytest.approx(0.002)
    assert "at most 0.2 %" in promise(plan)
    assert "0.1 % in the soak and 0.1 % in the 5m of the watch" in promise(plan)
