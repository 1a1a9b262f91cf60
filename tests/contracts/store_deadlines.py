"""The contract of deadlines: by the store's clock, for runs in every state, once."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.contracts.world import GREEN, WORKER, World, submission
from watership.durable.events import Failure, Finished
from watership.durable.ids import Key, RunId, child_id
from watership.durable.run import Waiting
from watership.durable.states import RunState
from watership.durable.writes import (
    Cancel,
    Done,
    Duplicate,
    Expire,
    Finish,
    Outcome,
    Refused,
    Renew,
    Renewed,
    Retry,
    Stop,
    Submit,
    Submitted,
)

FAILED = Failure(kind="Broken", message="It broke.")
LATE = "DeadlineExceeded"


async def expire(world: World, run_id: str) -> Outcome:
    return await world.outcome(Expire(run_id=RunId(run_id)))


async def late(world: World) -> list[str]:
    return list(await world.store.late(limit=10))


async def ended(world: World, run_id: str) -> tuple[RunState, str]:
    """How a run ended, which its journal tells once."""
    run = await world.run(run_id)
    ends = [each for each in await world.events(run_id) if isinstance(each, Finished)]
    assert [each.state for each in ends] == [run.state.value]
    return run.state, "" if run.failure is None else run.failure.kind


class DeadlineSuite:
    async def test_a_deadline_is_counted_from_the_commit_and_the_earlier_one_holds(
        self, world: World
    ) -> None:
        soon, later = (world.clock.now() + timedelta(seconds=each) for each in (5, 50))
        await world.submit("a", within_seconds=5.0)
        await world.submit("b", within_seconds=50.0, deadline=soon)
        await world.submit("c", deadline=later)
        await world.submit("d")
        told = [(await world.run(each)).deadline for each in "abcd"]
        assert told == [soon, soon, later, None]

    async def test_runs_are_late_from_their_deadline_on_the_first_one_first(self, world: World) -> None:
        await world.submit("b", within_seconds=6.0)
        await world.submit("a", within_seconds=5.5)
        await world.submit("c")
        assert await late(world) == []
        refused = await expire(world, "a")
        assert isinstance(refused, Refused)
        assert await world.state("a") is RunState.READY
        world.clock.go_on(5.5)
        assert await late(world) == ["a"]
        world.clock.go_on(1)
        assert await late(world) == ["a", "b"]
        assert list(await world.store.late(limit=1)) == ["a"]

    async def test_what_was_never_begun_ends_at_once_and_only_once(self, world: World) -> None:
        await world.submit("first", conversation="c")
        await world.submit("ready", within_seconds=5.0)
        await world.submit("queued", within_seconds=5.0, conversation="c")
        world.clock.go_on(5)
        assert [await expire(world, each) for each in ("ready", "queued")] == [Done(), Done()]
        assert [await expire(world, each) for each in ("ready", "queued")] == [Duplicate(), Duplicate()]
        assert await ended(world, "ready") == await ended(world, "queued") == (RunState.FAILED, LATE)
        assert await late(world) == []

    async def test_what_waits_or_is_in_doubt_is_claimed_to_undo_and_fails(self, world: World) -> None:
        doubt = Waiting(kind="answer", key=Key("pay/0"), name="pay")
        await world.park(await world.running("doubt", within_seconds=5.0), in_doubt=True, waits=(doubt,))
        await world.park(await world.running("waits", within_seconds=5.0), wake_in=500)
        world.clock.go_on(5)
        await world.write(*(Expire(run_id=RunId(each)) for each in await late(world)))
        claimed = await world.claim()
        assert {(each.run.id, each.run.cancel_requested, each.run.expired) for each in claimed} == {
            ("doubt", True, True),
            ("waits", True, True),
        }
        assert await late(world) == []

    async def test_who_executes_a_late_run_is_told_as_of_a_cancellation(self, world: World) -> None:
        run = await world.running("a", within_seconds=5.0)
        world.clock.go_on(5)
        written = await world.write(Expire(run_id=run.id))
        assert written.touched == {run.id}
        renewed = await world.outcome(
            Renew(
                worker=WORKER,
                deployment=GREEN,
                pool="default",
                slots=1,
                runs={run.id: run.epoch},
                lease_seconds=30,
            )
        )
        assert isinstance(renewed, Renewed)
        assert renewed.cancelled == {run.id}
        parked = await world.park(run)
        assert isinstance(parked, Refused)
        assert parked.code == "inbox"

    async def test_who_asked_first_is_heard(self, world: World) -> None:
        await world.park(await world.running("cancelled", within_seconds=5.0))
        await world.park(await world.running("late", within_seconds=5.0))
        await world.write(Cancel(run_id=RunId("cancelled")))
        world.clock.go_on(5)
        assert await expire(world, "cancelled") == Duplicate()
        assert await expire(world, "late") == Done()
        await world.write(Cancel(run_id=RunId("late")))
        assert not (await world.run("cancelled")).expired
        assert (await world.run("late")).expired

    async def test_a_stopped_run_is_not_waited_for_beyond_its_deadline(self, world: World) -> None:
        await world.append(await world.running("a", within_seconds=5.0), then=Stop(failure=FAILED))
        asked = await world.running("b", within_seconds=5.0)
        await world.write(Cancel(run_id=asked.id))
        await world.append(asked, then=Stop(failure=FAILED))
        world.clock.go_on(5)
        assert sorted(await late(world)) == ["a", "b"]
        assert [await expire(world, each) for each in "ab"] == [Done(), Done()]
        assert await ended(world, "a") == (RunState.FAILED, LATE)
        assert (await world.run("b")).state is RunState.CANCELLED

    async def test_a_child_ends_no_later_than_its_parent_and_with_it(self, world: World) -> None:
        parent = await world.running("a", within_seconds=50.0)
        names = {name: child_id(parent.id, Key(name)) for name in ("long", "short", "plain")}
        seconds = {"long": 500.0, "short": 5.0, "plain": None}
        await world.append(
            parent,
            children=[
                replace(
                    submission(run_id), parent=parent.id, parent_key=Key(name), within_seconds=seconds[name]
                )
                for name, run_id in names.items()
            ],
        )
        until = parent.deadline
        told = {name: (await world.run(run_id)).deadline for name, run_id in names.items()}
        assert told == {"long": until, "plain": until, "short": world.clock.now() + timedelta(seconds=5)}
        world.clock.go_on(50)
        await world.write(Expire(run_id=parent.id))
        await world.finish(parent, RunState.FAILED, failure=FAILED)
        assert {await ended(world, run_id) for run_id in names.values()} == {(RunState.FAILED, LATE)}

    async def test_a_successor_has_the_deadline_of_the_run_it_carries_on_for(self, world: World) -> None:
        run = await world.running("a", within_seconds=50.0)
        following = Submit(run_id=RunId("b"), program="p", input=run.input, deployment=GREEN)
        await world.append(run, then=Finish(state=RunState.SUCCEEDED, successor=following))
        assert (await world.run("b")).deadline == run.deadline

    async def test_a_message_whose_deadline_has_passed_is_refused_unless_it_was_taken_before(
        self, world: World
    ) -> None:
        until = world.clock.now() + timedelta(seconds=5)
        await world.submit("a", deadline=until)
        world.clock.go_on(5)
        again, refused = await world.submit("a", deadline=until), await world.submit("b", deadline=until)
        assert isinstance(again, Submitted)
        assert isinstance(refused, Refused)
        assert (again.existing, refused.code) == (True, "too_late")

    async def test_a_run_that_tries_again_is_still_late(self, world: World) -> None:
        run = await world.running("a", within_seconds=5.0)
        await world.append(run, then=Stop(failure=FAILED))
        await world.write(Retry(entry_id=world.entry(), run_id=run.id))
        world.clock.go_on(5)
        assert await late(world) == ["a"]
