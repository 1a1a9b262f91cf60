"""The way back: it leads only to what really stands there, is read back whole, and may be ordered again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from tests.simulation.release_targets import SimMigrator, SimRouter
from tests.simulation.release_world import LIVE, NEXT, Life, ReleaseWorld, side
from watership.errors import Conflict, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.controller import Deposed
from watership.releases.cutover import LastSafe
from watership.releases.order import Kind, Order
from watership.releases.ports import Instance
from watership.releases.rollback_now import rollback_now
from watership.releases.snapshots import LAST_SAFE
from watership.releases.verdict import Verdict
from watership.testing import run_in_virtual_time

SECONDS = 3600.0
RETIRED = side("2.0.0", Slot.BLUE)


async def until(world: ReleaseWorld, action: str) -> None:
    """Wait for an entry of the audit."""
    while not any(entry.action == action for entry in world.audit.kept):
        await world.clock.sleep(0.05)


async def killed(world: ReleaseWorld, *, after: str) -> None:
    """A controller begins the release and is killed once `after` is in the audit."""
    await world.begin()
    life, before = Life(), asyncio.all_tasks()
    world.controlling = asyncio.create_task(world.controller(life).start(world.brief()))
    await until(world, after)
    await world.kill(life, asyncio.all_tasks() - before)


def remember(world: ReleaseWorld) -> None:
    """The release before this one went from 2.0.0, which is retired since, to what is live now."""
    safe = LastSafe(release="2.0.5-1", to=RETIRED, away=LIVE, at=world.clock.now())
    world.snapshots.kept[LAST_SAFE] = msgspec.json.encode(safe)


def test_rollback_now_before_the_first_shift_stays_on_what_is_live() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        remember(world)
        await killed(world, after="release.deployment.deploy.begun")

        found = await rollback_now(world.controller()._env, who="Ina Charge", reason="now")

        assert found.verdict is Verdict.PASSED
        assert (await world.router.read()).weights == {LIVE.slot: 100, NEXT.slot: 0}
        assert (await world.work.read()).weights == {LIVE.deployment: 100, NEXT.deployment: 0}

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_rollback_now_to_a_deployment_that_is_gone_is_refused_and_changes_nothing() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        remember(world)

        with pytest.raises(Conflict, match=r"d-2.0.0 does not stand in blue"):
            await rollback_now(world.controller()._env, who="Ina Charge", reason="now")
        assert (await world.router.read()).weights == {LIVE.slot: 100, NEXT.slot: 0}
        assert (await world.work.read()).weights == {LIVE.deployment: 100}
        assert world.lock.holder is None

    run_in_virtual_time(main, limit_seconds=SECONDS)


@pytest.mark.parametrize("how", ["stranger", "elsewhere", "nowhere"])
def test_rollback_now_asks_the_router_and_the_processes_who_serves_in_the_safe_slot(how: str) -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await killed(world, after="release.cutover.half.passed")
        match how:
            case "stranger":
                world.hosts.impostor = f"{LIVE.deployment}-serve-0"
            case "elsewhere":
                world.router.targets[LIVE.slot] = world.router.targets[NEXT.slot]
            case "nowhere":
                world.router.targets[LIVE.slot] = ()

        with pytest.raises(Conflict, match=r"d-2.0.5 does not stand in green"):
            await rollback_now(world.controller()._env, who="Ina Charge", reason="now")
        assert (await world.router.read()).weights == {LIVE.slot: 50, NEXT.slot: 50}

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_host_that_does_not_answer_keeps_no_traffic_from_going_back() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await killed(world, after="release.cutover.half.passed")
        env = world.controller()._env

        async def silent() -> Sequence[Instance]:
            raise Unavailable("web-2 does not answer.")

        world.hosts.instances = silent  # type: ignore[method-assign]
        found = await rollback_now(env, who="Ina Charge", reason="now")

        assert found.verdict is Verdict.INCONCLUSIVE
        assert "Back on 2.0.5" in found.evidence and "web-2 does not answer" in found.evidence
        assert (await world.router.read()).weights == {LIVE.slot: 100, NEXT.slot: 0}
        assert (await world.work.read()).weights == {LIVE.deployment: 100, NEXT.deployment: 0}

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_nothing_for_next_is_not_yet_everything_for_live() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await killed(world, after="release.cutover.half.passed")
        world.router.deaf, world.router.until = True, None
        world.router.weights = {LIVE.slot: 0, NEXT.slot: 0}

        found = await rollback_now(world.controller()._env, who="Ina Charge", reason="now")

        assert found.verdict is Verdict.FAILED and "live 0 %" in found.evidence

    run_in_virtual_time(main, limit_seconds=SECONDS)


@pytest.mark.parametrize("kind", ["rollback", "abort", "resume"])
def test_a_rollback_that_failed_is_tried_again_when_somebody_orders_it(kind: Kind) -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        controller = world.controller()
        starting = asyncio.create_task(controller.start(world.brief()))
        await until(world, "release.watch.begun")
        world.router.deaf = True
        await controller.order(Order(kind="rollback", who="Ina Charge"))
        await until(world, "release.take_back.failed")
        await world.clock.sleep(10.0)
        assert not starting.done()
        world.router.deaf = False
        await controller.order(Order(kind=kind, who="Ina Charge", reason="it hears again"))

        outcome = await asyncio.wait_for(starting, 60.0)

        assert outcome.outcome == "rolled_back" and "it hears again" in outcome.reason
        assert await world.faults(outcome) == []

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_who_orders_a_rollback_waits_until_both_planes_say_so() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        controller = world.controller()
        starting = asyncio.create_task(controller.start(world.brief()))
        await until(world, "release.cutover.soak.begun")

        found = await controller.taken_back(Order(kind="rollback", who="Ina Charge"), seconds=60.0)

        assert found is not None and found.verdict is Verdict.PASSED
        assert (await world.router.read()).weights == {LIVE.slot: 100, NEXT.slot: 0}
        assert (await starting).outcome == "rolled_back"

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_who_orders_a_rollback_hears_that_it_failed_and_waits_no_longer_than_said() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        controller, order = world.controller(), Order(kind="rollback", who="Ina Charge")
        starting = asyncio.create_task(controller.start(world.brief()))
        await until(world, "release.watch.begun")
        world.router.deaf = True

        assert await controller.taken_back(order, seconds=60.0) is None
        found = await controller.taken_back(order, seconds=300.0)

        assert found is not None and found.verdict is Verdict.FAILED
        assert "Traffic is not back after 120 s" in found.evidence
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_who_was_deposed_by_force_acts_no_more_and_the_next_controller_has_a_higher_epoch() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        hanging = asyncio.create_task(world.controller().start(world.brief()))
        await until(world, "release.cutover.soak.begun")

        found = await rollback_now(world.controller()._env, who="Ina Charge", reason="it hangs", force=True)

        assert found.verdict is Verdict.PASSED and world.lock.epoch == 2
        with pytest.raises(Deposed):
            await hanging
        assert world.lock.epoch == 2
        world.lock.holder = world.lock.owner = None
        outcome = await world.controller().resume()
        assert outcome.outcome == "rolled_back" and world.lock.epoch == 3
        assert await world.faults(outcome) == []

    run_in_virtual_time(main, limit_seconds=SECONDS)


@pytest.mark.parametrize(("pausing", "bad"), [(True, 0.0), (True, 0.15), (False, 0.15)])
def test_read_only_that_a_person_turned_on_outlives_a_release(pausing: bool, bad: float) -> None:
    async def main() -> None:
        world = ReleaseWorld(pausing=pausing, bad=bad)
        await world.begin()
        await world.work.set_readonly(True)

        outcome = await world.controller().start(world.brief())

        assert outcome.outcome == ("rolled_back" if bad else "promoted")
        assert await world.faults(outcome) == ["read-only is on"]

    run_in_virtual_time(main, limit_seconds=SECONDS)


@pytest.mark.parametrize("holds", [True, False])
def test_a_pause_that_a_killed_controller_left_on_is_lifted(holds: bool) -> None:
    async def main() -> None:
        for death in range(60, 90):
            world = ReleaseWorld(pausing=True, holds=holds)
            outcome = await world.release(death)
            assert await world.faults(outcome) == [], death

    run_in_virtual_time(main, limit_seconds=10 * SECONDS)


def test_writes_are_held_for_a_migration_and_told_of_as_the_router_counted() -> None:
    async def main() -> None:
        world = ReleaseWorld(pausing=True)
        await world.begin()
        await world.controller().start(world.brief())

        facts = next(e for e in world.audit.kept if e.action == "release.migration.expand.passed").facts
        assert (world.router.pauses, facts["writes_held"], facts["writes_told_503"]) == (1, 3, 0)
        assert facts["longest_wait_seconds"] == 0.2 and "Writes paused for" in str(facts["evidence"])
        assert not any(e.action == "flag.changed" for e in world.audit.kept)

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_router_that_cannot_hold_after_all_ends_the_release_before_people_were_told_an_untruth() -> None:
    async def main() -> None:
        world = ReleaseWorld(pausing=True)
        world.router.can_hold = False
        await world.begin()
        outcome = await world.controller().start(world.brief())

        assert outcome.outcome == "rolled_back" and "cannot hold requests" in outcome.reason
        assert world.migrator.at == 5

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_rollback_lets_everybody_through_who_a_pause_held() -> None:
    async def main() -> None:
        world = ReleaseWorld(pausing=True)
        await killed(world, after="release.migration.expand.begun")
        await world.router.pause(seconds=60, epoch=1, writes_only=True)

        found = await rollback_now(world.controller()._env, who="Ina Charge", reason="now")

        assert found.verdict is Verdict.PASSED
        assert not (await world.router.read()).paused

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_what_a_migration_leaves_wrong_ends_the_release_and_what_was_wrong_before_does_not() -> None:
    class Leaving(SimMigrator):
        async def integrity(self) -> Sequence[str]:
            return ["an old sin"] if self.at == 5 else ["an old sin", "an index is not valid"]

    async def main() -> None:
        world = ReleaseWorld()
        world.migrator = Leaving(5)
        await world.begin()
        outcome = await world.controller().start(world.brief())

        assert outcome.outcome == "rolled_back"
        assert "Since migration add_topic: an index is not valid." in outcome.reason
        assert "old sin" not in outcome.reason

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_requests_that_a_drain_cut_off_are_told() -> None:
    class Busy(SimRouter):
        async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int:
            return 7

    async def main() -> None:
        world = ReleaseWorld(bad=0.15, router=Busy)
        await world.begin()
        await world.controller().start(world.brief())

        left = next(entry for entry in world.audit.kept if entry.action == "release.retire.passed")
        assert left.facts["undrained"] == 7 and "7 requests were cut off" in str(left.facts["evidence"])

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_what_is_not_cleared_away_is_not_said_to_be() -> None:
    class Clinging(SimRouter):
        async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> None:
            if addresses:
                await super().set_targets(slot, addresses, epoch=epoch)

    async def main() -> None:
        world = ReleaseWorld(bad=0.15, router=Clinging)
        await world.begin()
        outcome = await world.controller().start(world.brief())

        assert outcome.outcome == "rolled_back" and "was not cleared away" in outcome.reason
        assert "the router still knows" in outcome.reason

    run_in_virtual_time(main, limit_seconds=SECONDS)
