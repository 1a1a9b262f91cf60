"""Beside the traffic: runs of one age on both sides, and memory only where all of it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as with_
from typing import Any, cast

import msgspec

from tests.simulation.release_world import LIVE, NEXT, Life, ReleaseWorld
from watership.durable.ids import DeploymentId, RunId
from watership.durable.writes import Submit
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.environment import Environment
from watership.releases.judging.arms import AgainstGrowth, AgainstLive, Counts, RunCounts
from watership.releases.judging.beside import Beside, look, wanted
from watership.releases.judging.gate import GateSpec
from watership.releases.ports import Instance, InstanceState
from watership.releases.service.dashboard import ProcessUse, Used
from watership.testing import run_in_virtual_time

RUNS = GateSpec(arms=(AgainstLive(of="runs"),), runs_after=5.0)
SPENT = GateSpec(arms=(AgainstLive(of="tokens", most=100.0),), runs_after=5.0)
MEMORY = GateSpec(arms=(AgainstGrowth(),))


def environment(world: ReleaseWorld) -> Environment:
    return world.controller(Life())._env


async def submitted(world: ReleaseWorld, name: str, deployment: DeploymentId) -> None:
    run = Submit(run_id=RunId(name), program="p", input=msgspec.Raw(b"null"), deployment=deployment)
    await world.work.write([run])


def test_a_run_is_counted_once_when_it_is_old_enough() -> None:
    async def main() -> list[Any]:
        world = ReleaseWorld()
        env, seen = environment(world), []
        await submitted(world, "before", NEXT.deployment)
        await world.clock.sleep(1.0)
        first = await look(env, world.plan, RUNS, None)
        await world.clock.sleep(1.0)
        await submitted(world, "a", NEXT.deployment)
        await submitted(world, "b", LIVE.deployment)
        cohort = first.cohort
        for _ in range(8):
            await world.clock.sleep(1.0)
            there = await look(env, world.plan, RUNS, cohort)
            cohort = there.cohort
            seen.append(dict(there.runs))
        return [first.runs, [each for each in seen if any(counts.made for counts in each.values())]]

    at_first, later = run_in_virtual_time(main)
    assert at_first == {}
    assert later == [{Slot.BLUE: RunCounts(made=1), Slot.GREEN: RunCounts(made=1)}]


def test_what_runs_spend_is_read_from_some_of_their_journals() -> None:
    async def main() -> Beside:
        world = ReleaseWorld()
        env = environment(world)
        cohort = (await look(env, world.plan, SPENT, None)).cohort
        for number in range(30):
            await world.clock.sleep(0.01)
            await submitted(world, f"r{number}", NEXT.deployment)
        await world.clock.sleep(6.0)
        return await look(env, world.plan, SPENT, cohort)

    counts = run_in_virtual_time(main).runs[NEXT.slot]
    assert (counts.made, len(counts.tokens), sum(counts.tokens)) == (30, 20, 0)


def test_a_store_that_does_not_answer_leaves_the_cohort_for_the_next_look() -> None:
    class Silent:
        def __getattr__(self, name: str) -> Any:
            raise Unavailable("It does not answer.")

    async def main() -> tuple[Beside, Beside]:
        world = ReleaseWorld()
        env = environment(world)
        first = await look(env, world.plan, RUNS, None)
        await world.clock.sleep(10.0)
        silent: Any = Silent()
        return first, await look(with_(env, runs=silent), world.plan, RUNS, first.cohort)

    first, second = run_in_virtual_time(main)
    assert second == Beside(cohort=first.cohort)


class Told:
    """Usage of some processes."""

    def __init__(self, **memory: int) -> None:
        self.memory = {int(pid.removeprefix("p")): amount for pid, amount in memory.items()}

    async def of(self, pids: Sequence[int], *, seconds: float) -> Used:
        uses = {pid: ProcessUse(memory=self.memory[pid], cpu=0.1) for pid in pids if pid in self.memory}
        return Used(processes=uses, memory=10**9)


class Numbered:
    """Hosts of processes with numbers."""

    async def instances(self) -> Sequence[Instance]:
        return [
            Instance(
                name=str(pid), deployment=side.deployment, role="serve", state=InstanceState.READY, pid=pid
            )
            for side, pid in ((LIVE, 1), (NEXT, 2), (NEXT, 3))
        ]


def test_a_side_s_memory_is_that_of_all_of_its_processes_or_unknown() -> None:
    async def main() -> list[dict[Slot, int]]:
        world, hosts = ReleaseWorld(), cast("Any", Numbered())
        env = with_(environment(world), hosts=hosts)
        usages: list[Told | None] = [Told(p1=100, p2=70, p3=80), Told(p1=100, p2=70), Told(), None]
        seen = [await look(with_(env, usage=usage), world.plan, MEMORY, None) for usage in usages]
        return [dict(each.memory) for each in seen]

    assert run_in_virtual_time(main) == [{LIVE.slot: 100, NEXT.slot: 150}, {LIVE.slot: 100}, {}, {}]


def test_only_arms_of_runs_and_memory_look_beside_the_traffic() -> None:
    assert [wanted(gate) for gate in (RUNS, MEMORY, GateSpec(arms=(AgainstLive(),)))] == [True, True, False]


def test_what_was_seen_is_added_to_a_second_s_counts() -> None:
    seen = Beside(runs={Slot.BLUE: RunCounts(3, 1)}, memory={Slot.BLUE: 7})
    assert seen.added(Slot.BLUE, Counts(5, 1, 2)) == Counts(5, 1, 2, None, RunCounts(3, 1), 7)
    assert seen.added(Slot.GREEN, Counts(5, 1)) == Counts(5, 1)
