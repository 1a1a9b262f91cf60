"""The contract of pauses: what is sent to a paused program is kept, and nobody begins it or takes it up."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tests.contracts.world import BLUE, GREEN, World, submission
from watership.durable.ids import DeploymentId, RunId
from watership.durable.states import RunState
from watership.durable.writes import Cancel, Claimed, Submitted
from watership.fleet.flags import Flag, pause_flag

PAUSED = pause_flag("p")


async def pause(world: World, program: str = "p") -> None:
    await world.store.set_flag(Flag(name=pause_flag(program), on=True, by="hazel", reason="it burns"))


async def resume(world: World, program: str = "p") -> None:
    await world.store.set_flag(Flag(name=pause_flag(program), on=False, by="fiver"))


async def ready(world: World, deployments: Sequence[DeploymentId] = (GREEN,)) -> int:
    return (await world.store.backlog(deployments, limit=100)).ready


class PauseSuite:
    async def test_nothing_of_a_paused_program_is_claimed_until_it_is_resumed(self, world: World) -> None:
        await world.submit("ready")
        await world.park(await world.running("waiting", priority=2), wake_in=1)
        await world.running("left", priority=2)
        await pause(world)
        world.clock.go_on(100)
        assert await world.claim() == ()
        assert await world.claim(runs=(RunId("ready"), RunId("waiting"), RunId("left"))) == ()
        assert await world.state("left") is RunState.RUNNING
        await resume(world)
        assert {each.run.id for each in await world.claim()} == {"ready", "waiting", "left"}

    async def test_other_programs_are_claimed_past_the_paused_ones(self, world: World) -> None:
        await pause(world)
        for number in range(5):
            await world.submit(f"held-{number}", priority=2)
        await world.write(replace(submission("other", deployment=GREEN), program="q"))
        assert [each.run.id for each in await world.claim(limit=2)] == ["other"]

    async def test_a_message_to_a_paused_program_is_kept_and_the_answer_says_so(self, world: World) -> None:
        await world.store.set_weights({GREEN: 100}, epoch=1)
        before = await world.outcome(submission("before"))
        await pause(world)
        held = await world.outcome(submission("held"))
        again = await world.outcome(submission("held"))
        await pause(world, "another")
        await resume(world)
        after = await world.outcome(submission("after"))
        told = [it.paused for it in (before, held, again, after) if isinstance(it, Submitted)]
        assert told == [False, True, True, False]
        assert (await world.store.read()).paused == ("another",)

    async def test_a_pause_holds_from_the_commit_of_the_write_before_it(self, world: World) -> None:
        await world.submit("a")
        await pause(world)
        written = await world.write(submission("b", deployment=GREEN), world.claiming())
        assert written.outcomes[1] == Claimed(runs=())

    async def test_what_is_being_executed_goes_on_to_its_wait(self, world: World) -> None:
        run = await world.running("a")
        await pause(world)
        await world.park(run, wake_in=1)
        assert await world.state("a") is RunState.WAITING
        await world.write(world.delivery("a", "news"))
        assert await world.state("a") is RunState.READY
        assert await world.claim() == ()

    async def test_a_run_that_was_asked_to_end_is_claimed_so_that_it_can_undo(self, world: World) -> None:
        await world.park(await world.running("a"))
        await world.submit("never-begun")
        await pause(world)
        await world.write(Cancel(run_id=RunId("a")), Cancel(run_id=RunId("never-begun")))
        assert await ready(world) == 1
        assert [each.run.id for each in await world.claim()] == ["a"]
        assert await world.state("never-begun") is RunState.CANCELLED

    async def test_what_is_held_back_is_no_backlog(self, world: World) -> None:
        await world.submit("a")
        await world.submit("b", deployment=BLUE)
        await pause(world)
        assert (await ready(world), await ready(world, (GREEN, BLUE))) == (0, 0)
        await resume(world)
        assert await ready(world, (GREEN, BLUE)) == 2

    async def test_who_paused_it_when_and_why_is_a_flag_with_its_record(self, world: World) -> None:
        await pause(world)
        (flag,) = [each for each in await world.store.flags() if each.name == PAUSED]
        assert (flag.on, flag.by, flag.reason, flag.updated_at) == (
            True,
            "hazel",
            "it burns",
            world.clock.now(),
        )
        await resume(world)
        assert [(each.after.on, each.by) for each in await world.store.flag_changes(PAUSED)] == [
            (False, "fiver"),
            (True, "hazel"),
        ]

    async def test_a_disabled_pause_is_none(self, world: World) -> None:
        await pause(world)
        await world.store.set_flag(Flag(name=PAUSED, on=True, disabled=True, by="fiver"))
        assert (await world.store.read()).paused == ()

    async def test_a_switch_of_weights_and_of_read_only_leaves_the_paused_ones(self, world: World) -> None:
        await pause(world)
        await world.store.set_weights({GREEN: 100}, epoch=1, hold_seconds=5, last_safe={BLUE: 100})
        await world.store.set_readonly(True)
        world.clock.go_on(6)
        state = await world.store.read()
        assert (state.weights, state.readonly, state.paused) == ({BLUE: 100}, True, ("p",))
