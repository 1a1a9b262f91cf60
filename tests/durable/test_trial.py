"""A run that is suspected of killing its workers is tried alone."""

from __future__ import annotations

import asyncio
from collections import Counter

from msgspec.structs import replace

from tests.durable.stage import ENDS, calm_world, play, program, pure
from watership.durable import step
from watership.durable.states import RunState
from watership.testing.processes import PROCESS
from watership.testing.simulation import SETTINGS

INNOCENT = 12


def test_innocents_that_are_claimed_beside_poison_are_not_stopped_for_it() -> None:
    @pure
    async def work() -> None:
        await asyncio.sleep(0.3)  # longer than the poison takes: nobody beside it makes any progress

    @pure
    async def die() -> None:
        await asyncio.sleep(0.1)
        process = PROCESS.get()
        assert process is not None
        await process.die()

    async def innocent() -> None:
        await step(work)

    async def poison() -> None:
        await step(die)

    async def main() -> Counter[RunState]:
        programs = (program(innocent, "innocent"), program(poison, "poison"))
        async with calm_world(*programs, settings=replace(SETTINGS, slots=16, poison_limit=8)) as world:
            ids = [await world.submit("poison", run_id="bad")]
            ids += [await world.submit("innocent", run_id=f"good{each}") for each in range(INNOCENT)]
            return Counter([(await world.until(each, *ENDS, RunState.STOPPED)).state for each in ids])

    assert play(main) == {RunState.STOPPED: 1, RunState.SUCCEEDED: INNOCENT}
