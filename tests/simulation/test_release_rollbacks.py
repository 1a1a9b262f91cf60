"""Rollback from every phase, twice, and during a rollback: it ends at the last good version, or says why it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.simulation.release_world import LIVE, NEXT, ReleaseWorld
from tests.simulation.test_release_back import until
from watership.errors import Conflict, NotFound
from watership.releases.controller import Deposed
from watership.releases.order import Order
from watership.releases.program import Outcome
from watership.releases.rollback_now import rollback_now
from watership.releases.verdict import Verdict
from watership.testing import run_in_virtual_time

SECONDS = 3600.0
BAD = 0.15

WITHIN = 60.0
"""Seconds from the order until the last good version has everything."""

ROLLBACK = Order(kind="rollback", who="Ina Charge", reason="I say so")


BEYOND = ("release.started", "release.watch.passed", "release.ended")
"""There is no run yet that takes an order, or none any more: `rollback --now` is for those."""


def moments(bad: float = 0.0) -> list[str]:
    """Every entry that a release without an order writes into the audit, once each: its phases, item by item."""

    async def main() -> list[str]:
        world = ReleaseWorld(bad=bad)
        await world.release()
        actions = [entry.action for entry in world.audit.kept]
        return [each for each in dict.fromkeys(actions) if each not in BEYOND]

    return run_in_virtual_time(main, limit_seconds=SECONDS)


async def back(world: ReleaseWorld) -> float:
    """Seconds until both planes give live everything."""
    began = world.clock.now()
    while (await world.router.read()).weights != {LIVE.slot: 100, NEXT.slot: 0} or (
        await world.work.read()
    ).weights.get(LIVE.deployment) != 100:
        await world.clock.sleep(0.05)
    return (world.clock.now() - began).total_seconds()


@pytest.mark.parametrize("times", [1, 2])
def test_a_rollback_ordered_at_any_moment_ends_at_the_last_good_version_within_a_minute(times: int) -> None:
    async def main(moment: str) -> tuple[Outcome, float, float, Sequence[str]]:
        world = ReleaseWorld()
        await world.begin()
        controller = world.controller()
        starting = asyncio.create_task(controller.start(world.brief()))
        await until(world, moment)
        for _ in range(times):
            await controller.order(ROLLBACK)
        began = world.clock.now()
        seconds = await back(world)
        outcome = await starting
        whole = (world.clock.now() - began).total_seconds()
        assert world.snapshots.kept.get("quarantine") is None, "a person ordered it"
        return outcome, seconds, whole, await world.faults(outcome)

    found = moments()
    slowest = 0.0
    for moment in found:
        outcome, seconds, whole, faults = run_in_virtual_time(lambda: main(moment), limit_seconds=SECONDS)  # noqa: B023 - called at once
        slowest = max(slowest, whole)
        before = moment.startswith("release.gate.")  # nothing was changed, so there is nothing to take back
        assert outcome.outcome in (("refused", "rolled_back") if before else ("rolled_back",)), moment
        assert not faults and seconds < WITHIN and whole < WITHIN, (moment, faults, seconds, whole)
    print(f"{len(found)} moments, {times} order(s) each: ended within {slowest:.1f} s")  # noqa: T201 - a figure


@pytest.mark.parametrize("again", ["order", "force"])
@pytest.mark.parametrize(
    "moment", ["release.take_back.begun", "release.take_back.passed", "release.retire.begun"]
)
def test_a_rollback_during_a_rollback_ends_as_one(moment: str, again: str) -> None:
    async def main() -> None:
        world = ReleaseWorld(bad=BAD)
        await world.begin()
        controller = world.controller()
        starting = asyncio.create_task(controller.start(world.brief()))
        await until(world, moment)
        if again == "order":
            await controller.order(ROLLBACK)
            outcome = await starting
        else:
            found = await rollback_now(
                world.controller()._env, who="Ina Charge", reason="it hangs", force=True
            )
            assert found.verdict is Verdict.PASSED
            with pytest.raises((Deposed, Conflict)):
                await starting
            world.lock.holder = world.lock.owner = None
            outcome = await world.controller().resume()
        assert outcome.outcome == "rolled_back"
        assert await world.faults(outcome) == []
        assert b"sha256:2.1.0" in world.snapshots.kept["quarantine"], "the gate had decided it"

    run_in_virtual_time(main, limit_seconds=SECONDS)


async def contracted(world: ReleaseWorld) -> None:
    """2.1.0 was promoted, and the schema contracted afterwards: 2.0.5 cannot read it any more."""
    await world.begin()
    assert (await world.controller().start(world.brief())).outcome == "promoted"
    world.migrator.at = LIVE.build.schema.highest + 1


def test_after_the_contract_a_rollback_is_refused_with_the_reason_and_changes_nothing() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await contracted(world)
        stood = world.standing()

        with pytest.raises(
            Conflict, match=r"2\.0\.5 can live with the schemas 5 to 6, and the database is at 7"
        ):
            await rollback_now(world.controller()._env, who="Ina Charge", reason="now")

        assert world.standing() == stood and world.lock.holder is None

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_rollback_that_is_ordered_past_the_point_of_no_return_waits_for_a_person_and_changes_nothing() -> (
    None
):
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        controller = world.controller()
        starting = asyncio.create_task(controller.start(world.brief()))
        await until(world, "release.watch.begun")
        world.migrator.at = 7
        await controller.order(ROLLBACK)
        await until(world, "release.take_back.failed")

        told = next(entry for entry in world.audit.kept if entry.action == "release.take_back.failed")
        assert "point of no return" in str(told.facts["evidence"])
        assert world.router.weights == {LIVE.slot: 0, NEXT.slot: 100}
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_before_anything_was_changed_there_is_nothing_to_take_back() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        with pytest.raises(NotFound):
            await rollback_now(world.controller()._env, who="Ina Charge", reason="now")

    run_in_virtual_time(main, limit_seconds=SECONDS)
