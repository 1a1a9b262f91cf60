"""Signals with a deadline: what came in time counts, whoever was awake then; what passed is the same on replay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.durable.stage import calm_world, events, play, program, restart, result
from watership.durable import gather, race, signal, sleep
from watership.durable.events import AnswerRefused, AnyEvent, SignalTaken, TimerFired, TimerSet
from watership.durable.ids import EntryId
from watership.durable.states import RunState
from watership.durable.writes import Done, RefuseAnswer
from watership.testing.simulation import World, decoded

WITHIN = 600.0


async def asked(name: str = "go") -> object:
    try:
        return await signal(name, about="May it go?", within=WITHIN)
    except TimeoutError:
        return "nobody came"


async def asked_and_told() -> object:
    first = await asked()
    return [first, await signal("end")]


async def to_the_end(world: World, run_id: Any) -> tuple[object, list[AnyEvent]]:
    await world.until(run_id, RunState.WAITING)
    await world.deliver(run_id, "end")
    run = await world.end_of(run_id)
    assert world.oracle.violations == []
    value: Any = decoded(run)
    return value[0], await events(world, run_id)


def test_a_signal_that_comes_in_time_is_taken_and_its_deadline_is_shown_meanwhile() -> None:
    async def main() -> None:
        async with calm_world(program(asked_and_told)) as world:
            run_id = await world.submit("p")
            run = await world.until(run_id, RunState.WAITING)
            (wait,) = run.waits
            assert wait.due == run.wake_at and run.wake_at is not None
            await world.deliver(run_id, "go", "yes")
            value, journal = await to_the_end(world, run_id)
            assert value == "yes"
            assert [type(each) for each in journal[:2]] == [TimerSet, SignalTaken]

    play(main)


def test_a_deadline_passes_once_however_often_the_workers_die() -> None:
    async def main() -> None:
        async with calm_world(program(asked_and_told)) as world:
            run_id = await world.submit("p")
            await world.until(run_id, RunState.WAITING)
            await restart(world)
            await world.clock.sleep(WITHIN)
            await restart(world)
            # A signal that comes after its time is another wait's, and the end is the same.
            value, journal = await to_the_end(world, run_id)
            assert value == "nobody came"
            assert [type(each) for each in journal[:2]] == [TimerSet, TimerFired]

    play(main)


def test_what_came_in_time_counts_though_no_worker_looks_before_the_time_has_passed() -> None:
    async def main() -> None:
        async with calm_world(program(asked_and_told)) as world:
            run_id = await world.submit("p")
            run = await world.until(run_id, RunState.WAITING)
            assert run.wake_at is not None
            left = run.wake_at - world.clock.now()
            await world.clock.sleep((left - timedelta(seconds=0.5)).total_seconds())
            for each in world.workers:
                world.crash(each)
            await world.deliver(run_id, "go", "just in time")
            await world.clock.sleep(WITHIN)
            value, journal = await to_the_end(world, run_id)
            assert value == "just in time"
            assert not any(isinstance(each, TimerFired) for each in journal)

    play(main)


def test_deadlines_of_several_branches_pass_each_in_its_time() -> None:
    async def late() -> object:
        await sleep(WITHIN / 2)
        return await asked("other")

    async def body() -> object:
        return await gather(asked(), late())

    assert result(body) == ["nobody came", "nobody came"]


def test_a_deadline_that_passes_in_a_branch_that_loses_is_nobodys() -> None:
    async def body() -> object:
        return await race(asked(), sleep(WITHIN))

    assert result(body) in ("nobody came", None)


def test_a_refusal_in_the_journal_is_no_part_of_the_program() -> None:
    async def main() -> None:
        async with calm_world(program(asked_and_told)) as world:
            run_id = await world.submit("p")
            run = await world.until(run_id, RunState.WAITING)
            refuse = RefuseAnswer(
                entry_id=EntryId("e"), run_id=run_id, key=run.waits[0].key, by="mallory", reason="no"
            )
            assert await world.write(refuse) == Done()
            assert (await world.run(run_id)).state is RunState.WAITING
            await world.deliver(run_id, "go", "yes")
            value, journal = await to_the_end(world, run_id)
            assert value == "yes" and any(isinstance(each, AnswerRefused) for each in journal)

    play(main)
