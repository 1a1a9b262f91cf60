"""A run that has not ended by its deadline is ended, whatever it was about, and its children with it."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from tests.durable.stage import calm_world, events, failure, play, program, pure, restart
from watership.durable import ChildFailed, Effect, child, signal, sleep, step
from watership.durable.events import Finished, StepDone
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import RunFilter
from watership.durable.program import Program
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import Submit
from watership.testing.simulation import World

LATE = "DeadlineExceeded"


async def over(world: World, run_id: RunId) -> Run:
    return await world.until(run_id, RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


async def waits() -> object:
    return await signal("never")


def test_a_run_that_waits_is_ended_at_its_deadline_and_not_before() -> None:
    async def main() -> None:
        async with calm_world(program(waits)) as world:
            run_id = await world.submit("p", within=60.0)
            await world.until(run_id, RunState.WAITING)
            await world.clock.sleep(50)
            assert (await world.run(run_id)).state is RunState.WAITING
            run = await over(world, run_id)
            assert (run.state, failure(run)) == (RunState.FAILED, LATE)
            assert 60 <= (run.updated_at - run.created_at).total_seconds() < 65

    play(main)


def test_what_a_late_run_has_done_is_undone_over_a_crash_and_its_end_is_told_once() -> None:
    undone: list[str] = []

    @pure
    async def book() -> str:
        return "seat"

    async def release(seat: str) -> None:
        undone.append(seat)

    async def books() -> None:
        await step(book, on_cancel=release)
        await sleep(3600)

    async def main() -> None:
        async with calm_world(program(books)) as world:
            run_id = await world.submit("p", within=60.0)
            await world.until(run_id, RunState.WAITING)
            await restart(world)
            run = await over(world, run_id)
            assert (run.state, failure(run), undone) == (RunState.FAILED, LATE, ["seat"])
            assert sum(isinstance(each, Finished) for each in await events(world, run_id)) == 1

    play(main)


def test_a_step_that_is_being_performed_goes_on_to_its_end_and_nothing_begins_after_it() -> None:
    entered: list[str] = []

    async def slow() -> str:
        entered.append("slow")
        await world_of[0].clock.sleep(100)
        return "done"

    async def next_one() -> None:
        entered.append("next")

    async def works() -> None:
        await step(slow, effect=Effect.UNSAFE)
        await step(next_one, effect=Effect.UNSAFE)

    world_of: list[World] = []

    async def main() -> None:
        async with calm_world(program(works)) as world:
            world_of.append(world)
            run_id = await world.submit("p", within=60.0)
            run = await over(world, run_id)
            assert (failure(run), entered) == (LATE, ["slow"])
            assert any(isinstance(each, StepDone) for each in await events(world, run_id))

    play(main)


def test_a_run_that_nobody_could_claim_is_ended_by_whoever_works() -> None:
    async def main() -> None:
        async with calm_world(program(waits)) as world:
            submit = Submit(
                run_id=RunId("a"),
                program="p",
                input=msgspec.Raw(b"null"),
                deployment=DeploymentId("gone"),
                within_seconds=5.0,
            )
            await world.write(submit)
            run = await over(world, submit.run_id)
            assert (run.epoch, failure(run)) == (0, LATE)

    play(main)


def test_a_child_has_the_time_of_its_program_and_at_most_that_of_its_parent() -> None:
    async def asks() -> None:
        with suppress(ChildFailed):
            await child("quick")
        await child("slow")

    quick = Program("quick", program(waits).call, within_seconds=10.0)

    async def main() -> None:
        async with calm_world(program(asks), quick, program(waits, "slow")) as world:
            run_id = await world.submit("p", within=60.0)
            run = await over(world, run_id)
            assert failure(run) == LATE
            kids = tuple(reversed((await world.memory.list(RunFilter(parent=run_id))).runs))
            assert [(kid.program, kid.state, failure(kid)) for kid in kids] == [
                ("quick", RunState.FAILED, LATE),
                ("slow", RunState.FAILED, LATE),
            ]
            assert (kids[0].updated_at - kids[0].created_at).total_seconds() < 20

    play(main)
