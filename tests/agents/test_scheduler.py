"""The scheduler: each window is started once, whoever looks, and by nobody whose deployment takes no work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.contracts.world import BLUE, GREEN, ManualClock
from tests.notes import Notes
from watership import App
from watership.adapters.memory import MemoryStore
from watership.agents.schedule import Schedule
from watership.agents.scheduler import Scheduler, scheduling
from watership.durable.committer import refusal
from watership.durable.ids import DeploymentId, EntryId, RunId
from watership.durable.ports import RunFilter
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import Append, Claim, Claimed, Finish, Refused, Submit, Submitted
from watership.errors import BadInput, NotFound, Unavailable

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Direct:
    """Submits at once. It can be away."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.away = False

    async def submit(self, submit: Submit) -> Submitted:
        if self.away:
            raise Unavailable("Away.")
        (outcome,) = (await self._store.write([submit])).outcomes
        if isinstance(outcome, Refused):
            raise refusal(outcome)
        assert isinstance(outcome, Submitted)
        return outcome


@dataclass(slots=True)
class World:
    clock: ManualClock
    store: MemoryStore
    writer: Direct
    notes: Notes
    app: App

    def scheduler(self, deployment: DeploymentId = GREEN) -> Scheduler:
        """One more process."""
        return Scheduler(
            self.app.schedules,
            self.app.cards(),
            deployment=deployment,
            writer=self.writer,
            intake=self.store,
            clock=self.clock,
            observer=self.notes,
        )

    async def runs(self) -> Sequence[Run]:
        """Oldest first."""
        return (await self.store.list(RunFilter())).runs[::-1]

    async def finish(self, run_id: RunId) -> None:
        claim = Claim(
            worker="w",  # type: ignore[arg-type]
            deployment=GREEN,
            pool="night",
            limit=9,
            lease_seconds=60,
            poison_limit=5,
        )
        (claimed,) = (await self.store.write([claim])).outcomes
        assert isinstance(claimed, Claimed)
        end = Finish(state=RunState.SUCCEEDED)
        await self.store.write([Append(entry_id=EntryId("e"), run_id=run_id, epoch=1, then=end)])


async def world(**facts: object) -> World:
    """A quarter to twelve, with an hourly report."""
    clock = ManualClock()
    clock.go_on(11.75 * 3600)
    store = MemoryStore(clock)
    await store.set_weights({GREEN: 100}, epoch=1)
    app = App("shop")

    @app.agent(pool="night", priority=2)
    async def report(day: str) -> str:
        return day

    app.schedule("hourly", "0 * * * *", agent="report", input={"day": "today"}, **facts)  # type: ignore[arg-type]
    return World(clock, store, Direct(store), Notes(), app)


async def test_a_window_is_started_when_its_time_has_come_whoever_looks() -> None:
    there = await world()
    first, second = there.scheduler(), there.scheduler()
    for each in (first, second):
        await each.look()
    assert await there.runs() == ()
    there.clock.go_on(15 * 60)
    for each in (first, second, there.scheduler(), first):
        await each.look()
    (run,) = await there.runs()
    assert (run.program, run.pool, run.priority, run.principal) == ("report", "night", 2, "schedule:hourly")
    assert bytes(run.input) == b'{"day":"today"}'
    assert run.id == there.app.schedules[0].run_id(NOON)
    assert there.notes.events == ["window started"]


async def test_a_deployment_that_takes_no_new_work_starts_nothing() -> None:
    there = await world()
    blue = there.scheduler(BLUE)
    there.clock.go_on(15 * 60)
    await blue.look()
    assert await there.runs() == ()
    await there.store.set_weights({GREEN: 0, BLUE: 100}, epoch=2)
    await blue.look()
    (run,) = await there.runs()
    assert run.deployment == BLUE


async def test_a_window_that_nobody_was_there_for_is_started_as_long_as_its_grace_lasts() -> None:
    for late, started in ((299, 1), (301, 0)):
        there = await world()
        there.clock.go_on(15 * 60 + late)
        await there.scheduler().look()
        assert len(await there.runs()) == started


async def test_a_process_without_schedules_is_not_woken_for_them() -> None:
    there = await world()
    for schedules, names in ((there.app.schedules, ["scheduler"]), ([], [])):
        there.app.schedules = schedules
        async with scheduling(there.scheduler()):
            assert [each.get_name() for each in asyncio.all_tasks() - {asyncio.current_task()}] == names


async def test_a_store_that_is_away_costs_no_window() -> None:
    there = await world()
    scheduler = there.scheduler()
    there.clock.go_on(15 * 60)
    there.writer.away = True
    with pytest.raises(Unavailable):
        await scheduler.look()
    there.writer.away = False
    await scheduler.look()
    assert len(await there.runs()) == 1


async def test_read_only_holds_windows_back() -> None:
    there = await world()
    scheduler = there.scheduler()
    there.clock.go_on(15 * 60)
    await there.store.set_readonly(True)
    with pytest.raises(Unavailable):
        await scheduler.look()
    await there.store.set_readonly(False)
    await scheduler.look()
    assert len(await there.runs()) == 1


async def test_without_overlap_a_window_is_passed_over_while_an_earlier_run_goes_on() -> None:
    there = await world(overlap=False)
    scheduler = there.scheduler()
    for seconds in (15 * 60, 3600, 3600):
        there.clock.go_on(seconds)
        await scheduler.look()
    (run,) = await there.runs()
    assert there.notes.events == ["window started"] + 2 * [
        "window passed over: the run before it has not ended"
    ]
    await there.finish(run.id)
    there.clock.go_on(3600)
    await scheduler.look()
    assert len(await there.runs()) == 2


async def test_after_a_while_of_being_away_every_window_is_started_where_that_is_wanted() -> None:
    there = await world(every_window=True, grace_seconds=3 * 3600.0)
    there.clock.go_on(2.5 * 3600)
    scheduler = there.scheduler()
    await scheduler.look()
    wanted = [there.app.schedules[0].run_id(NOON + timedelta(hours=hour)) for hour in range(3)]
    assert [run.id for run in await there.runs()] == wanted
    await scheduler.look()
    assert len(await there.runs()) == 3


def test_a_schedule_is_of_an_agent_that_is_there_with_an_input_that_it_takes() -> None:
    app = App("shop")

    @app.agent
    async def report(day: str) -> str:
        return day

    with pytest.raises(NotFound):
        app.schedule("hourly", "0 * * * *", agent="reporter")
    with pytest.raises(BadInput, match="year"):
        app.schedule("hourly", "0 * * * *", agent="report", input={"year": 1})
    made = app.schedule("hourly", "0 * * * *", agent="report", input={"day": "mon"})
    assert isinstance(made, Schedule)
    with pytest.raises(BadInput, match="two schedules"):
        app.schedule("hourly", "5 * * * *", agent="report", input={"day": "tue"})
