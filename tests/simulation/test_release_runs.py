"""What a rollback does with runs of next: those that nobody began go to live, the others as the plan says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace as with_port

import pytest
from msgspec.structs import replace

from tests.contracts.world import raw
from tests.simulation.release_world import LIVE, NEXT, ReleaseWorld
from watership.adapters.memory import MemoryStore
from watership.durable.ids import DeploymentId, EntryId, RunId, WorkerId
from watership.durable.ports import RunFilter
from watership.durable.writes import Append, Claim, HandOver, Submit, Yield
from watership.errors import Unavailable
from watership.fleet.build import Build
from watership.fleet.deployment import Deployment, DeploymentState
from watership.releases.begun import spec
from watership.releases.book.runbook import BegunRuns
from watership.releases.environment import Authority, Environment
from watership.releases.measurement import Finding
from watership.releases.ports import Handed
from watership.releases.rollback import leave
from watership.releases.verdict import Verdict
from watership.testing import run_in_virtual_time

BEGUN, OTHER, FRESH = RunId("begun"), RunId("other"), RunId("fresh")


class Replays:
    """Moves the runs that it is told to, as live's agents would go on with them."""

    def __init__(self, work: MemoryStore, fits: frozenset[RunId]) -> None:
        self._work = work
        self._fits = fits

    async def hand_over(self, source: DeploymentId, target: DeploymentId, build: Build) -> Sequence[Handed]:
        assert (source, target, build) == (NEXT.deployment, LIVE.deployment, LIVE.build)
        runs = (await self._work.list(RunFilter(deployment=source))).runs
        going = [run for run in runs if run.id in self._fits]
        writes = [HandOver(run_id=run.id, target=target, seq=run.seq, inbox=run.inbox) for run in going]
        await self._work.write(writes)
        return [Handed(run_id=run.id, goes=run in going) for run in runs]


class Mute:
    async def hand_over(self, source: DeploymentId, target: DeploymentId, build: Build) -> Sequence[Handed]:
        raise Unavailable("It says nothing.")


async def standing(world: ReleaseWorld) -> None:
    """Next stands with a worker, has two runs that it began and one that it did not."""
    await world.begin()
    await world.hosts.ensure(spec(NEXT, world.plan.size), epoch=0)
    facts = {"state": DeploymentState.STANDING, "created_at": world.clock.now()}
    await world.work.put(Deployment(id=NEXT.deployment, build=NEXT.build, slot=NEXT.slot, **facts))  # type: ignore[arg-type]
    names = (BEGUN, OTHER)
    claim = Claim(
        worker=WorkerId("w"),
        deployment=NEXT.deployment,
        pool="default",
        limit=len(names),
        lease_seconds=60,
        poison_limit=5,
    )
    submits = [Submit(run_id=name, program="p", input=raw(1), deployment=NEXT.deployment) for name in names]
    given_back = [Append(entry_id=EntryId(name), run_id=name, epoch=1, then=Yield()) for name in names]
    await world.work.write([*submits, claim, *given_back])
    await world.work.write([Submit(run_id=FRESH, program="p", input=raw(1), deployment=NEXT.deployment)])


async def left(world: ReleaseWorld, env: Environment, begun_runs: BegunRuns) -> Finding:
    world.plan = replace(world.plan, begun_runs=begun_runs)
    authority = Authority(env.lock, who="controller", release=world.plan.release)
    await authority.take()
    release = world.controller()._release(world.brief())
    return await leave(env, authority, release, began=None, quarantines=False)


async def homes(world: ReleaseWorld) -> dict[RunId, DeploymentId]:
    return {run.id: run.deployment for run in (await world.work.list(RunFilter())).runs}


def workers_of_next(world: ReleaseWorld) -> int:
    there = world.hosts.specs.get(NEXT.deployment)
    return 0 if there is None else there.workers


def back(
    begun_runs: BegunRuns, check: Callable[[ReleaseWorld, Finding], Awaitable[None]], **ports: object
) -> None:
    """Take next back by that rule, with these ports, and look at what has become of the world."""

    async def main() -> None:
        world = ReleaseWorld()
        await standing(world)
        env = world.controller()._env
        if "fits" in ports:
            env = with_port(env, handover=Replays(world.work, ports["fits"]))  # type: ignore[arg-type]
        elif ports:
            env = with_port(env, **ports)  # type: ignore[arg-type]
        await check(world, await left(world, env, begun_runs))

    run_in_virtual_time(main, limit_seconds=600)


def test_what_next_began_finishes_on_its_workers_unless_the_plan_says_otherwise() -> None:
    async def check(world: ReleaseWorld, found: Finding) -> None:
        assert found.verdict is Verdict.PASSED
        assert (found.facts["rehomed"], found.facts["handed_over"], found.facts["lingering"]) == (1, 0, 2)
        assert await homes(world) == {
            FRESH: LIVE.deployment,
            BEGUN: NEXT.deployment,
            OTHER: NEXT.deployment,
        }
        assert workers_of_next(world) == 1

    back("finish", check)


def test_what_live_would_go_on_with_goes_to_live_and_the_rest_keeps_nexts_workers() -> None:
    async def check(world: ReleaseWorld, found: Finding) -> None:
        assert (found.facts["rehomed"], found.facts["handed_over"], found.facts["lingering"]) == (1, 1, 1)
        assert (await homes(world))[BEGUN] == LIVE.deployment
        assert (await homes(world))[OTHER] == NEXT.deployment
        assert workers_of_next(world) == 1

    back("hand_over", check, fits=frozenset({BEGUN}))


def test_nothing_of_next_is_left_once_all_went_to_live() -> None:
    async def check(world: ReleaseWorld, found: Finding) -> None:
        assert found.facts["handed_over"] == 2
        assert NEXT.deployment not in world.hosts.specs
        assert [each.id for each in await world.work.all()] == [LIVE.deployment]

    back("hand_over", check, fits=frozenset({BEGUN, OTHER}))


@pytest.mark.parametrize("handover", [None, Mute()], ids=["nobody", "mute"])
def test_runs_that_nobody_can_replay_finish_on_nexts_workers(handover: object) -> None:
    async def check(world: ReleaseWorld, found: Finding) -> None:
        assert found.verdict is Verdict.PASSED
        assert "none is known to have gone to live" in found.evidence
        assert (found.facts["handed_over"], workers_of_next(world)) == (0, 1)

    back("hand_over", check, handover=handover)


def test_in_quarantine_nobody_works_on_what_next_began() -> None:
    async def check(world: ReleaseWorld, found: Finding) -> None:
        assert "nobody works on 2 runs" in found.evidence
        assert workers_of_next(world) == 0
        lingering = {each.id: each.state for each in await world.work.all()}
        assert lingering[NEXT.deployment] is DeploymentState.LINGERING
        assert (await homes(world))[FRESH] == LIVE.deployment

    back("quarantine", check)
