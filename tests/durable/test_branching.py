"""Gather, race and timeout: branches count for themselves, winners are journaled, losers are dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from tests.durable.stage import Body, calm_world, events, failure, live, play, program, pure, restart, result
from watership.durable import (
    Effect,
    Ended,
    Returned,
    StepFailed,
    child,
    gather,
    gather_until,
    race,
    signal,
    sleep,
    step,
    timeout,
)
from watership.durable.events import Enough, SignalTaken, StepDone, Won
from watership.durable.ports import RunFilter
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


@pytest.mark.parametrize("until", [False, True])
def test_branches_that_never_began_are_closed_when_the_run_parks(until: bool) -> None:
    # A coroutine that nobody awaits or closes is a warning, and warnings are errors here.
    async def waits() -> object:
        return await signal("go")

    async def body() -> object:
        if until:
            return values(await gather_until(so_many(3), waits(), waits(), waits(), limit=1))
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


# --- gather_until: as many as are enough -------------------------------------------------------------------


def so_many(count: int) -> Callable[[Sequence[Ended]], bool]:
    return lambda ended: len(ended) >= count


def values(ended: Sequence[Ended]) -> list[object]:
    return [each.value if isinstance(each, Returned) else str(each.error) for each in ended]


def test_those_that_are_enough_come_in_the_order_of_their_ends() -> None:
    async def body() -> object:
        ended = await gather_until(
            so_many(2), named("a", 9, 0, 0), named("b", 1, 1, 0), named("c", 0, 0, 0.5), limit=3
        )
        return [[each.index for each in ended], values(ended)]

    run, journal = live(body)
    assert decoded(run) == [[2, 1], [["c1", "c2"], ["b1", "b2"]]]
    assert [each.ended for each in journal if isinstance(each, Enough)] == [(2, 1)]


def test_none_is_begun_that_is_not_needed() -> None:
    began: list[str] = []

    async def runner(name: str) -> str:
        began.append(name)
        return await step(echo, name)

    async def body() -> object:
        return values(await gather_until(so_many(2), *(runner(name) for name in "abcd"), limit=1))

    assert result(body) == ["a", "b"] and began == ["a", "b"]


def test_an_error_is_an_outcome_among_others() -> None:
    async def breaks() -> None:
        raise LookupError("nobody there")

    async def body() -> object:
        return values(await gather_until(so_many(9), step(echo, "a", 0.5), breaks()))

    assert result(body) == ["nobody there", "a"]


def test_enough_is_asked_after_each_end_about_all_so_far() -> None:
    asked: list[int] = []

    def never(ended: Sequence[Ended]) -> bool:
        asked.append(len(ended))
        return False

    async def body() -> object:
        return len(await gather_until(never, *(step(echo, str(number)) for number in range(5)), limit=2))

    assert result(body) == 5
    assert asked == [1, 2, 3, 4, 5]


def test_nobody_is_gathered_until_there_is_nobody() -> None:
    async def body() -> object:
        return [values(await gather_until(so_many(1))), await gather()]

    assert result(body) == [[], []]


def test_an_error_of_the_question_itself_ends_the_call() -> None:
    def broken(_: Sequence[Ended]) -> bool:
        raise ZeroDivisionError("of what?")

    async def body() -> object:
        try:
            await gather_until(broken, step(echo, "a"), sleep(3600))
        except ZeroDivisionError as error:
            return str(error)
        return None

    assert result(body) == "of what?"


def test_what_was_enough_is_journaled_and_only_that_is_replayed() -> None:
    began: list[str] = []

    async def runner(name: str, seconds: float) -> str:
        began.append(name)
        return await step(echo, name, seconds)

    async def body() -> object:
        ended = await gather_until(so_many(2), runner("a", 9), runner("b", 2), runner("c", 1))
        return [values(ended), await signal("go")]

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(30)
            began.clear()
            await restart(world)
            await world.deliver(run_id, "go")
            return decoded(await world.end_of(run_id))

    assert play(main) == [["c", "b"], None]
    assert sorted(set(began)) == ["b", "c"]


# --- children of the dropped -------------------------------------------------------------------------------


async def asked_to_end(body: Body) -> dict[str, list[RunState]]:
    """`body` among programs that take 1 and 100 seconds, to its end; the states of its children then, by program."""

    async def quick() -> str:
        return await step(echo, "quick", 1.0)

    async def slow() -> str:
        await sleep(50)
        return await step(echo, "slow", 50.0)

    async def nested() -> object:
        return await child("slow")

    async with calm_world(
        program(body), program(quick, "quick"), program(slow, "slow"), program(nested, "nested")
    ) as world:
        run_id = await world.submit("p")
        run = await world.end_of(run_id)
        assert run.state is RunState.SUCCEEDED, run.failure
        await world.clock.sleep(5.0)
        page = await world.memory.list(RunFilter())
        found: dict[str, list[RunState]] = {}
        for each in page.runs:
            found.setdefault(each.program, []).append(each.state)
        return found


async def raced() -> object:
    return await race(child("slow"), child("quick"))


async def timed_out() -> object:
    try:
        return await timeout(2, child("slow"))
    except TimeoutError:
        return None


async def gathered() -> object:
    return len(await gather_until(so_many(1), child("quick"), child("slow")))


@pytest.mark.parametrize("body", [raced, timed_out, gathered])
def test_the_children_of_losers_are_cancelled(body: Body) -> None:
    assert play(lambda: asked_to_end(body))["slow"] == [RunState.CANCELLED]


def test_a_losers_children_ask_theirs() -> None:
    async def body() -> object:
        return await race(child("nested"), gather(child("quick")))

    ended = play(lambda: asked_to_end(body))
    assert (ended["nested"], ended["slow"]) == ([RunState.CANCELLED], [RunState.CANCELLED])


def test_a_child_that_nobody_drops_goes_on() -> None:
    async def body() -> object:
        return await gather(race(child("quick"), sleep(200)), child("slow"))

    assert play(lambda: asked_to_end(body))["slow"] == [RunState.SUCCEEDED]


@pytest.mark.parametrize("first", ["race", "gather_until"])
def test_no_child_of_a_loser_outlives_it_whenever_it_was_started(first: str) -> None:
    def body(ticks: int) -> Body:
        async def starts_late() -> object:
            await sleep(1.0)
            for _ in range(ticks):
                await asyncio.sleep(0)
            return await child("slow")

        async def begins() -> object:
            if first == "race":
                return await race(sleep(1.0), starts_late())
            return len(await gather_until(so_many(1), sleep(1.0), starts_late()))

        return begins

    for ticks in range(2 * STEPS):
        ended = play(lambda ticks=ticks: asked_to_end(body(ticks)), seed=ticks)  # type: ignore[misc]
        assert set(ended.get("slow", [])) <= {RunState.CANCELLED}, ticks
