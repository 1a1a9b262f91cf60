"""Gather, race and timeout: branches count for themselves, winners are journaled, losers are dropped."""

from __future__ import annotations

import asyncio

import pytest

from tests.durable.stage import calm_world, events, failure, live, play, program, pure, restart, result
from watership.durable import Effect, StepFailed, gather, race, signal, sleep, step, timeout
from watership.durable.events import SignalTaken, StepDone, Won
from watership.durable.states import RunState
from watership.testing.simulation import decoded

STEPS = 25
"""Steps of the loop within which a winner is journaled and the losers dropped."""


@pure
async def echo(value: str, seconds: float = 0.0) -> str:
    await asyncio.sleep(seconds)
    return value


async def named(value: str, *waits: float) -> list[str]:
    """A branch that sleeps in the kernel between two steps of the same name."""
    first = await step(echo, value + "1", waits[0])
    await sleep(waits[1])
    return [first, await step(echo, value + "2", waits[2])]


def test_three_branches_answer_alike_when_they_replay_in_another_order() -> None:
    orders: list[list[str]] = []

    async def watched(name: str, *waits: float) -> list[str]:
        found = await named(name, *waits)
        orders[-1].append(name)
        return found

    async def body() -> object:
        orders.append([])
        found = await gather(watched("a", 0.1, 0, 9), watched("b", 5, 3, 0.1), watched("c", 0.1, 2, 0.2))
        return [found, await signal("go")]

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.until(run_id, RunState.WAITING)
            await world.clock.sleep(30)
            before = await events(world, run_id)
            await world.deliver(run_id, "go", "on")
            run = await world.end_of(run_id)
            assert world.oracle.violations == []
            after = await events(world, run_id)
            assert after[: len(before)] == before
            return decoded(run)

    assert play(main) == [[["a1", "a2"], ["b1", "b2"], ["c1", "c2"]], "on"]
    assert orders[0] != orders[-1] and sorted(orders[-1]) == ["a", "b", "c"]


def test_gather_gives_results_in_order_whatever_the_schedule() -> None:
    async def body() -> object:
        return await gather(*(step(echo, str(n), 1.0 / (n + 1)) for n in range(5)))

    async def one(n: int) -> str:
        return await step(echo, str(n), 1.0 / (n + 1))

    async def through_branches() -> object:
        return await gather(*(one(n) for n in range(5)), limit=2)

    for seed in range(5):
        assert result(body, seed=seed) == result(through_branches, seed=seed) == list("01234")


def test_gather_raises_the_first_error_in_order_after_all_have_ended() -> None:
    ended = []

    async def fails(name: str, seconds: float) -> None:
        await sleep(seconds)
        ended.append(name)
        raise ValueError(name)

    async def body() -> object:
        try:
            await gather(fails("slow", 5), fails("quick", 1))
        except ValueError as error:
            return str(error)
        return None

    assert result(body) == "slow"
    assert set(ended) == {"slow", "quick"}


@pytest.mark.parametrize("limit", [0, -1])
def test_gather_with_no_room_for_a_branch_is_refused(limit: int) -> None:
    async def body() -> object:
        return await gather(named("a", 0, 0, 0), limit=limit)

    run, _ = live(body)
    assert failure(run) == "ProgramError"


def test_a_race_of_nobody_is_refused() -> None:
    async def body() -> object:
        return await race()

    run, _ = live(body)
    assert failure(run) == "ProgramError"


def test_branches_that_never_began_are_closed_when_the_run_parks() -> None:
    # A coroutine that nobody awaits or closes is a warning, and warnings are errors here.
    async def waits() -> object:
        return await signal("go")

    async def body() -> object:
        return await gather(waits(), waits(), waits(), limit=1)

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.until(run_id, RunState.WAITING)
            for number in range(3):
                await world.deliver(run_id, "go", number, id=str(number))
            return decoded(await world.end_of(run_id))

    assert play(main) == [0, 1, 2]


def test_the_winner_of_a_race_is_journaled_and_replayed() -> None:
    began: list[str] = []

    async def runner(name: str, seconds: float) -> str:
        began.append(name)
        await sleep(seconds)
        return name

    async def body() -> object:
        return [await race(runner("tortoise", 5), runner("hare", 1)), await signal("go")]

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(30)
            began.clear()
            await world.deliver(run_id, "go")
            run = await world.end_of(run_id)
            assert [e.winner for e in await events(world, run_id) if isinstance(e, Won)] == [1]
            return decoded(run)

    assert play(main) == ["hare", None]
    assert began == ["hare"]


def test_a_losers_unsafe_step_is_finished_and_journaled() -> None:
    finished = []

    async def pay() -> str:
        await asyncio.sleep(2.0)
        finished.append("paid")
        return "paid"

    async def slow() -> str:
        return await step(pay, effect=Effect.UNSAFE)

    async def body() -> object:
        return await race(slow(), step(echo, "quick", 0.5))

    run, journal = live(body)
    assert run.state is RunState.SUCCEEDED and finished == ["paid"]
    assert "race#0/0/pay/0" in [event.key for event in journal if isinstance(event, StepDone)]


def test_a_losers_pure_step_is_dropped_in_its_middle() -> None:
    finished = []

    @pure
    async def look() -> None:
        await asyncio.sleep(2.0)
        finished.append("looked")

    async def body() -> object:
        await race(step(look), step(echo, "quick", 0.5))
        await sleep(5)
        return None

    live(body)
    assert finished == []


def test_the_error_of_the_first_to_end_wins_a_race() -> None:
    async def fails() -> str:
        await sleep(1)
        raise LookupError("nobody there")

    async def body() -> object:
        try:
            return await race(fails(), named("a", 5, 5, 5))
        except LookupError as error:
            return str(error)

    assert result(body) == "nobody there"


def test_a_signal_that_wakes_a_loser_as_it_is_dropped_is_there_for_the_next() -> None:
    async def hears() -> str:
        return str(await signal("word"))

    async def body() -> object:
        first = await race(step(echo, "time", 5.0), hears())
        return [first, await signal("word") if first == "time" else None]

    async def main(seed: int) -> None:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(5.0)
            for _ in range(seed % STEPS):
                await asyncio.sleep(0)
            await world.deliver(run_id, "word", "heard")
            await world.clock.sleep(20.0)
            # Whoever took it, it was taken: no run waits for what lies in its inbox.
            assert [e for e in await events(world, run_id) if isinstance(e, SignalTaken)]

    for seed in range(8 * STEPS):
        play(lambda seed=seed: main(seed), seed=seed)  # type: ignore[misc]


def test_time_wins_and_the_journal_keeps_it() -> None:
    async def body() -> object:
        try:
            return await timeout(2, named("a", 0, 60, 0))
        except TimeoutError:
            return ["too late", await signal("go")]

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(20)
            await restart(world)
            await world.deliver(run_id, "go")
            run = await world.end_of(run_id)
            won = [e.winner for e in await events(world, run_id) if isinstance(e, Won)]
            assert won == [-1] and world.oracle.violations == []
            return decoded(run)

    assert play(main) == ["too late", None]


def test_what_ends_in_time_gives_its_result() -> None:
    async def body() -> object:
        return await timeout(60, named("a", 0, 2, 0))

    assert result(body) == ["a1", "a2"]


def test_a_failed_step_in_a_branch_is_the_branchs_error() -> None:
    async def breaks() -> None:
        raise OSError("no disk")

    async def branch() -> None:
        await step(breaks, effect=Effect.UNSAFE)

    async def body() -> object:
        try:
            await gather(branch(), named("a", 0, 0, 0))
        except StepFailed as error:
            return [error.key, error.failure.kind]
        return None

    assert result(body) == ["gather#0/0/breaks/0", "OSError"]
