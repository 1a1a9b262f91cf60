"""The status of a release says whom it waits for, and that it will never go on by itself."""

from __future__ import annotations

import asyncio

from tests.simulation.release_world import ReleaseWorld
from tests.simulation.test_release_back import until
from watership.cli.exits import Exit
from watership.cli.standing import exit_for
from watership.durable.ids import RunId
from watership.durable.writes import Cancel
from watership.releases.order import Order
from watership.releases.status import ReleaseStatus, status
from watership.testing import run_in_virtual_time

SECONDS = 3600.0
RELEASE = RunId("2.1.0-1")


async def looked(world: ReleaseWorld) -> ReleaseStatus:
    return await status(world.own, RELEASE, world.snapshots)


def test_a_release_that_waits_for_a_person_says_for_what() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        controller = world.controller()
        starting = asyncio.create_task(controller.start(world.brief()))
        await until(world, "release.watch.begun")
        at_work = await looked(world)
        assert (at_work.stage, at_work.asks, exit_for(at_work)) == ("watching", "", Exit.OK)
        world.router.deaf = True
        await controller.order(Order(kind="rollback", who="Ina Charge"))
        await until(world, "release.take_back.failed")
        await world.clock.sleep(1.0)

        found = await looked(world)

        assert found.asks.startswith("The rollback did not succeed: Traffic is not back")
        assert exit_for(found) is Exit.INCONCLUSIVE
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_release_on_hold_says_so_until_it_goes_on() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        controller = world.controller()
        starting = asyncio.create_task(controller.start(world.brief()))
        await until(world, "release.cutover.soak.begun")
        await controller.order(Order(kind="hold", who="Ina Charge"))
        await until(world, "release.keep.begun")

        found = await looked(world)

        assert found.held and found.asks == "On hold before: All"
        assert exit_for(found) is Exit.INCONCLUSIVE
        await controller.order(Order(kind="resume", who="Ina Charge"))
        assert (await starting).outcome == "promoted"
        ended = await looked(world)
        assert (ended.stage, ended.asks, exit_for(ended)) == ("promoted", "", Exit.OK)

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_release_whose_run_was_cancelled_is_not_shown_as_running() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        starting = asyncio.create_task(world.controller().start(world.brief()))
        await until(world, "release.cutover.soak.begun")
        await world.own.write([Cancel(run_id=RELEASE, reason="by hand")])
        await asyncio.gather(starting, return_exceptions=True)

        found = await looked(world)

        assert (found.stage, found.over, exit_for(found)) == ("cancelled", True, Exit.FAILED)

    run_in_virtual_time(main, limit_seconds=SECONDS)
