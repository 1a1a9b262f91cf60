"""Costs: reserved before a step is entered, settled by its outcome, and capped whatever crashes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.durable.stage import calm_world, events, failure, live, play, program, pure, restart, result
from watership.durable import Effect, Program, RetryPolicy, StepFailed, child, gather, step
from watership.durable.counters import OVER_CAP, Cap, Cost, Count
from watership.durable.events import StepDone, StepStarted
from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.usage import usage
from watership.testing.simulation import World

TENANT = "tenant:t"


def cost(most: int, *, failed: int | None = None) -> Cost:
    """A step's result says how many cents it took."""
    in_vain = None if failed is None else {"cents": failed}
    return Cost({"cents": most}, used=lambda value: {"cents": value}, failed=lambda _: in_vain)


def cap(most: int, *, per_day: bool = False) -> Cap:
    return Cap(counter=TENANT, unit="cents", most=most, per_day=per_day)


@pure
async def spend(cents: int) -> int:
    return cents


async def counted(world: World, name: str = f"{TENANT}/cents") -> Count:
    return next(iter(await world.memory.counts([name])), Count(name=name))


def capped(body: Callable[[], Awaitable[object]], most: int) -> tuple[Run, Count]:
    """Run `body` under a cap, to its end; the run, and the counter."""

    async def main() -> tuple[Run, Count]:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p", caps=[cap(most)])
            return await world.end_of(run_id), await counted(world)

    return play(main)


def test_a_step_with_a_cost_is_opened_before_it_is_entered_and_says_what_it_used() -> None:
    async def body() -> object:
        return await step(spend, 3, cost=cost(10))

    _, journal = live(body)
    opened, done, _ = journal
    assert isinstance(opened, StepStarted)
    assert isinstance(done, StepDone)
    assert (opened.most, bytes(opened.arguments), done.used) == ({"cents": 10}, b"null", {"cents": 3})
    assert usage(journal).used == {"cents": 3}


def test_what_is_reserved_and_not_used_is_given_back() -> None:
    async def body() -> object:
        return [await step(spend, 3, cost=cost(10)) for _ in range(3)]

    run, count = capped(body, 20)
    assert run.state is RunState.SUCCEEDED
    assert (count.reserved, count.spent) == (0, 9)


def test_a_step_that_could_exceed_the_cap_is_not_entered_and_fails() -> None:
    entered = []

    @pure
    async def costly(cents: int) -> int:
        entered.append(cents)
        return cents

    async def body() -> object:
        await step(costly, 8, cost=cost(8))
        try:
            await step(costly, 1, cost=cost(3))
        except StepFailed as error:
            return error.failure.code
        return None

    run, count = capped(body, 10)
    assert (bytes(run.result), entered) == (b'"over_cap"', [8])
    assert (count.reserved, count.spent) == (0, 8)


def test_a_run_that_does_not_catch_it_fails_and_says_which_cap_it_was() -> None:
    async def body() -> object:
        return await step(spend, 1, cost=cost(11))

    run, _ = capped(body, 10)
    assert run.state is RunState.FAILED
    assert run.failure is not None
    assert run.failure.code == OVER_CAP
    assert "tenant:t/cents is capped at 10" in run.failure.message


def test_an_attempt_that_raised_used_what_its_cost_says_or_else_all() -> None:
    @pure
    async def breaks() -> int:
        raise OSError("cut")

    async def body() -> object:
        for failed in (0, None):
            try:
                await step(breaks, cost=cost(5, failed=failed), retry=RetryPolicy(attempts=2))
            except StepFailed:
                continue
        return None

    _, count = capped(body, 100)
    assert (count.reserved, count.spent) == (0, 10)


def test_an_attempt_that_nobody_heard_of_counts_as_used_up_whole() -> None:
    async def body() -> object:
        return await step(slow, 3, cost=cost(10))

    @pure
    async def slow(cents: int) -> int:
        await worlds[-1].clock.sleep(5)
        return cents

    worlds: list[World] = []

    async def main() -> tuple[Run, Count, Count]:
        async with calm_world(program(body)) as world:
            worlds.append(world)
            run_id = await world.submit("p", caps=[cap(100)])
            await world.clock.sleep(2)
            before = await counted(world)
            await restart(world)
            run = await world.end_of(run_id)
            told = usage(await events(world, run_id))
            assert (told.used, told.unsettled) == ({"cents": 3}, {"cents": 10})
            return run, before, await counted(world)

    run, before, after = play(main)
    assert run.state is RunState.SUCCEEDED
    assert (before.reserved, before.spent) == (10, 0)
    assert (after.reserved, after.spent) == (0, 13)


def test_children_count_on_their_parents_caps() -> None:
    async def leaf() -> object:
        return await step(spend, 4, cost=cost(4))

    async def body() -> object:
        return await gather(*(child("leaf") for _ in range(2)))

    async def main() -> tuple[list[RunState], Count]:
        async with calm_world(program(body), program(leaf, "leaf")) as world:
            states = []
            for name in ("a", "b"):
                run_id = await world.submit("p", run_id=name, caps=[cap(12)])
                states.append((await world.end_of(run_id)).state)
            return states, await counted(world)

    states, count = play(main)
    assert states == [RunState.SUCCEEDED, RunState.FAILED]
    assert (count.reserved, count.spent) == (0, 12)


def test_what_a_program_says_of_itself_caps_each_run_of_it() -> None:
    async def body() -> object:
        return await step(spend, 4, cost=cost(4))

    def own(run: Run) -> tuple[Cap, ...]:
        return (Cap(counter=f"run:{run.id}", unit="cents", most=3),)

    plain = program(body)
    run_state = [live_one(Program("p", plain.call, own)).state, live_one(plain).state]
    assert run_state == [RunState.FAILED, RunState.SUCCEEDED]


def live_one(given: Program) -> Run:
    async def main() -> Run:
        async with calm_world(given) as world:
            return await world.end_of(await world.submit("p"))

    return play(main)


def test_a_daily_cap_counts_by_the_day() -> None:
    async def body() -> object:
        return await step(spend, 6, cost=cost(6))

    async def main() -> list[RunState]:
        async with calm_world(program(body)) as world:
            states = []
            for name in ("a", "b", "c"):
                run_id = await world.submit("p", run_id=name, caps=[cap(10, per_day=True)])
                states.append((await world.end_of(run_id)).state)
                if name == "b":
                    await world.clock.sleep(86_400)
            return states

    assert play(main) == [RunState.SUCCEEDED, RunState.FAILED, RunState.SUCCEEDED]


def test_an_unsafe_step_may_have_a_cost_too() -> None:
    async def act(cents: int) -> int:
        return cents

    async def body() -> object:
        return await step(act, 2, effect=Effect.UNSAFE, cost=cost(5))

    assert result(body) == 2
    run, count = capped(body, 4)
    assert failure(run) == "OverCap"
    assert (count.reserved, count.spent) == (0, 0)


def test_where_two_caps_count_on_one_counter_the_lower_one_holds() -> None:
    async def body() -> object:
        return await step(spend, 4, cost=cost(4))

    async def main() -> RunState:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p", caps=[cap(3), cap(100)])
            return (await world.end_of(RunId(run_id))).state

    assert play(main) is RunState.FAILED
