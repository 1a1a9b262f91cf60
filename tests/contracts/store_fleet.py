"""The contract of queries, of the intake and of the register of deployments."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.contracts.world import BLUE, GREEN, LEASE, POOL, WORKER, World, submission
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import HEARD_SECONDS, Cohort, RunFilter
from watership.durable.states import RunState
from watership.durable.writes import Renew, Submitted
from watership.errors import BadInput, Fenced
from watership.fleet.build import Build, SchemaRange
from watership.fleet.deployment import Deployment, DeploymentState, Slot
from watership.fleet.intake import IntakeState

SAFE = {GREEN: 100}
SPLIT = {GREEN: 0, BLUE: 100}


class FleetSuite:
    # --- the epoch of a release ---------------------------------------------------------------

    async def test_a_release_that_was_deposed_changes_neither_the_register_nor_read_only(
        self, world: World
    ) -> None:
        build = Build(version="1", digest="sha256:1", source="one", schema=SchemaRange(1, 1))
        one = Deployment(
            id=GREEN,
            build=build,
            slot=Slot.GREEN,
            state=DeploymentState.STANDING,
            created_at=await world.store.now(),
        )
        await world.store.set_weights(SAFE, epoch=7)
        await world.store.put(one, epoch=7)
        await world.store.set_readonly(True, epoch=7)
        retired = replace(one, state=DeploymentState.RETIRED)

        with pytest.raises(Fenced):
            await world.store.put(retired, epoch=6)
        with pytest.raises(Fenced):
            await world.store.set_readonly(False, epoch=6)

        assert list(await world.store.all()) == [one]
        assert (await world.store.read()).readonly
        await world.store.set_readonly(False)
        await world.store.put(retired)
        assert not (await world.store.read()).readonly and list(await world.store.all()) == []

    # --- queries -----------------------------------------------------------------------------

    async def test_a_backlog_counts_what_is_ready_and_who_works_for_the_deployments_asked_for(
        self, world: World
    ) -> None:
        await world.running("held")
        began = await world.store.now()
        await world.write(*(submission(f"r{number}", deployment=GREEN) for number in range(3)))
        await world.submit("elsewhere", deployment=BLUE)
        renew = Renew(worker=WORKER, deployment=GREEN, pool=POOL, slots=8, runs={}, lease_seconds=LEASE)
        await world.write(renew)
        world.clock.go_on(4)
        there = await world.store.backlog([GREEN], limit=100)
        assert (there.ready, there.workers) == (3, 1)
        assert there.oldest == began
        assert (there.at - began).total_seconds() == 4
        assert (await world.store.backlog([GREEN, BLUE], limit=100)).ready == 4
        assert (await world.store.backlog([GREEN, BLUE], limit=2)).ready == 2
        nowhere = await world.store.backlog([], limit=100)
        assert (nowhere.ready, nowhere.oldest, nowhere.workers) == (0, None, 0)
        await world.submit("later", deployment=GREEN)
        assert (await world.store.backlog([], limit=1)).made == nowhere.made + 1
        world.clock.go_on(HEARD_SECONDS + 1)
        assert (await world.store.backlog([GREEN], limit=100)).workers == 0

    async def test_an_unknown_run_is_none_and_its_journal_and_inbox_are_empty(self, world: World) -> None:
        nobody = RunId("nobody")
        assert await world.store.get(nobody) is None
        assert list(await world.store.journal(nobody)) == []
        assert list(await world.store.inbox(nobody)) == []

    async def test_runs_are_listed_newest_first_in_pages(self, world: World) -> None:
        await world.write(*(submission(f"r{number}", deployment=GREEN) for number in range(5)))
        first = await world.store.list(RunFilter(), limit=2)
        assert ([run.id for run in first.runs], first.total_count) == (["r4", "r3"], 5)
        await world.submit("r5")
        second = await world.store.list(RunFilter(), limit=2, after=first.next)
        assert ([run.id for run in second.runs], second.total_count) == (["r2", "r1"], 6)
        third = await world.store.list(RunFilter(), limit=2, after=second.next)
        assert ([run.id for run in third.runs], third.next) == (["r0"], None)

    async def test_a_list_is_narrowed_by_everything_that_is_given(self, world: World) -> None:
        parent = await world.running("parent", tenant="t")
        await world.append(parent, children=[submission("child")])
        await world.submit("talk", conversation="c", deployment=BLUE)
        await world.submit("talk2", conversation="c", deployment=BLUE)

        async def listed(**narrow: object) -> list[str]:
            page = await world.store.list(RunFilter(**narrow))  # type: ignore[arg-type]
            assert page.total_count == len(page.runs)
            return [run.id for run in page.runs]

        assert await listed(tenant="t") == ["child", "parent"]
        assert await listed(parent=RunId("parent")) == ["child"]
        assert await listed(deployment=BLUE) == ["talk2", "talk"]
        assert await listed(conversation="c", states=frozenset({RunState.QUEUED})) == ["talk2"]
        assert await listed(states=frozenset({RunState.RUNNING, RunState.QUEUED})) == ["talk2", "parent"]
        assert await listed(states=frozenset()) == []
        assert await listed(program="q") == []

    @pytest.mark.parametrize("cursor", ["", "x", "-1", "9" * 30])
    async def test_a_cursor_that_is_none_is_refused(self, world: World, cursor: str) -> None:
        with pytest.raises(BadInput):
            await world.store.list(RunFilter(), after=cursor)

    async def test_a_listed_run_is_the_whole_run(self, world: World) -> None:
        await world.submit("a")
        (run,) = (await world.store.list(RunFilter())).runs
        assert run == await world.run("a")

    async def test_the_census_counts_every_state_of_every_deployment(self, world: World) -> None:
        await world.finish(await world.running("ended"))
        await world.running("a")
        await world.submit("b")
        await world.submit("c", deployment=BLUE)
        assert await world.store.census() == {
            (GREEN, RunState.SUCCEEDED): 1,
            (GREEN, RunState.RUNNING): 1,
            (GREEN, RunState.READY): 1,
            (BLUE, RunState.READY): 1,
        }

    async def test_a_cohort_is_counted_by_when_its_runs_were_made_and_how_they_stand_now(
        self, world: World
    ) -> None:
        await world.submit("before", deployment=BLUE)
        began = await world.store.now()
        world.clock.go_on(1)
        await world.finish(await world.running("failed"), RunState.FAILED)
        await world.running("runs")
        await world.submit("waits", deployment=BLUE)
        until = await world.store.now()
        world.clock.go_on(1)
        await world.submit("after")
        cohorts = await world.store.cohorts([GREEN, BLUE], after=began, until=until, some=1)
        assert cohorts == {
            GREEN: Cohort(made=2, fell=1, some=(RunId("failed"),)),
            BLUE: Cohort(made=1, fell=0, some=(RunId("waits"),)),
        }
        nowhere = DeploymentId("nowhere")
        assert await world.store.cohorts([nowhere], after=began, until=until) == {nowhere: Cohort()}

    async def test_a_store_that_lives_answers_a_ping(self, world: World) -> None:
        await world.store.ping()

    # --- the intake --------------------------------------------------------------------------

    async def test_a_fresh_intake_sends_runs_nowhere(self, world: World) -> None:
        assert await world.store.read() == IntakeState(weights={})
        assert await world.store.now() == world.clock.now()

    async def test_weights_are_set_and_read_back(self, world: World) -> None:
        state = await world.store.set_weights({GREEN: 75, BLUE: 25}, epoch=3)
        assert state == IntakeState(weights={GREEN: 75, BLUE: 25}, epoch=3)
        assert await world.store.read() == state

    async def test_weights_that_are_none_are_refused(self, world: World) -> None:
        await world.store.set_weights(SAFE, epoch=1)
        with pytest.raises(BadInput):
            await world.store.set_weights({GREEN: 75}, epoch=2)
        with pytest.raises(BadInput):
            await world.store.set_weights(SAFE, epoch=2, hold_seconds=1, last_safe={GREEN: 101})
        assert await world.store.read() == IntakeState(weights=SAFE, epoch=1)

    async def test_a_lower_epoch_is_fenced_and_an_equal_one_is_not(self, world: World) -> None:
        await world.store.set_weights(SAFE, epoch=5)
        with pytest.raises(Fenced) as fenced:
            await world.store.set_weights(SPLIT, epoch=4)
        assert (fenced.value.held, fenced.value.current) == (4, 5)
        assert (await world.store.read()).weights == SAFE
        assert (await world.store.set_weights(SPLIT, epoch=5)).weights == SPLIT

    async def test_read_only_is_kept_beside_the_weights(self, world: World) -> None:
        await world.store.set_readonly(True)
        assert (await world.store.set_weights(SAFE, epoch=1)).readonly
        await world.store.set_readonly(False)
        assert await world.store.read() == IntakeState(weights=SAFE, epoch=1)

    async def test_an_armed_switch_says_until_when_and_what_is_safe(self, world: World) -> None:
        state = await world.store.set_weights(SPLIT, epoch=1, hold_seconds=60, last_safe=SAFE)
        assert state.until == world.clock.now() + timedelta(seconds=60)
        assert state.last_safe == SAFE
        world.clock.go_on(59)
        assert await world.store.read() == state

    async def test_an_unconfirmed_switch_reverts_when_it_is_read(self, world: World) -> None:
        await world.store.set_weights(SPLIT, epoch=1, hold_seconds=60, last_safe=SAFE)
        world.clock.go_on(60)
        state = await world.store.read()
        assert (state.weights, state.epoch, state.until) == (SAFE, 2, None)
        with pytest.raises(Fenced):
            await world.store.set_weights(SPLIT, epoch=1)
        assert await world.store.read() == state

    async def test_an_unconfirmed_switch_reverts_when_a_run_is_submitted(self, world: World) -> None:
        await world.store.set_weights(SPLIT, epoch=1, hold_seconds=60, last_safe=SAFE)
        before = await world.submit("a", deployment=None)
        world.clock.go_on(60)
        after = await world.submit("b", deployment=None)
        assert isinstance(before, Submitted)
        assert isinstance(after, Submitted)
        assert (before.deployment, after.deployment) == (BLUE, GREEN)
        assert (await world.store.read()).epoch == 2

    async def test_a_controller_that_comes_back_late_is_fenced_though_nobody_looked(
        self, world: World
    ) -> None:
        await world.store.set_weights(SPLIT, epoch=1, hold_seconds=60, last_safe=SAFE)
        world.clock.go_on(60)
        with pytest.raises(Fenced):
            await world.store.set_weights(SPLIT, epoch=1, hold_seconds=60, last_safe=SAFE)
        assert (await world.store.read()).weights == SAFE

    async def test_confirming_disarms_the_switch(self, world: World) -> None:
        await world.store.set_weights(SPLIT, epoch=1, hold_seconds=60, last_safe=SAFE)
        await world.store.set_weights(SPLIT, epoch=1)
        world.clock.go_on(60)
        assert await world.store.read() == IntakeState(weights=SPLIT, epoch=1)

    async def test_what_was_safe_stays_safe_through_the_steps_of_a_shift(self, world: World) -> None:
        await world.store.set_weights(SAFE, epoch=1)
        await world.store.set_weights({GREEN: 50, BLUE: 50}, epoch=2, hold_seconds=60)
        state = await world.store.set_weights(SPLIT, epoch=2, hold_seconds=60)
        assert state.last_safe == SAFE

    # --- deployments -------------------------------------------------------------------------

    async def test_deployments_are_kept_oldest_first_until_they_retire(self, world: World) -> None:
        def deployment(name: str, age: int, slot: Slot) -> Deployment:
            build = Build(version="1", digest=f"sha256:{name}", source="./app", schema=SchemaRange(1, 2))
            at = world.clock.now() - timedelta(days=age)
            return Deployment(
                id=DeploymentId(name), build=build, slot=slot, state=DeploymentState.STANDING, created_at=at
            )

        young, old = deployment("a", 1, Slot.BLUE), deployment("b", 2, Slot.GREEN)
        for one in (young, old, young):
            await world.store.put(one)
        assert list(await world.store.all()) == [old, young]
        lingering = replace(old, state=DeploymentState.LINGERING)
        await world.store.put(lingering)
        assert list(await world.store.all()) == [lingering, young]
        await world.store.put(replace(old, state=DeploymentState.RETIRED))
        assert list(await world.store.all()) == [young]
