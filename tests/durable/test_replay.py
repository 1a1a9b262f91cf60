"""Replays: a program walks along a journal, does nothing, and it is told whether it fits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.durable.stage import calm_world, events, live, play, program, pure
from watership.durable import (
    Effect,
    StepFailed,
    child,
    gather,
    gather_until,
    now,
    race,
    signal,
    sleep,
    step,
    timeout,
)
from watership.durable.events import AnyEvent
from watership.durable.replay import Replayed, ended_alike, replay
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import ClaimedRun
from watership.testing.simulation import World

Body = Callable[[], Awaitable[object]]

ENTERED: list[str] = []


@pure
async def find(word: str) -> str:
    ENTERED.append(word)
    return word.upper()


async def pay(cents: int) -> int:
    ENTERED.append(f"pay {cents}")
    return cents


@pure
async def leaf_step() -> int:
    return 1


async def leaf() -> object:
    return await step(leaf_step)


async def original() -> object:
    first = await step(find, "a")
    both = await gather(step(find, "b"), step(pay, 3, effect=Effect.UNSAFE))
    await sleep(3600)
    await now()
    word = await signal("word", into=str)
    kid = await child("leaf", into=int)
    quick = await race(step(find, "c"), sleep(5))
    late = await timeout(60, step(find, "d"))
    return [first, both, word, kid, quick, late]


def replayed(recorded: Body, other: Body, *, until: float | None = None) -> tuple[Replayed, Run]:
    """Record a run of one program, whole or so many seconds of it, and replay it with another one."""

    async def main() -> tuple[Replayed, Run, bool]:
        async with calm_world(program(recorded), program(leaf, "leaf")) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(3700 if until is None else until)
            if until is None:
                await world.deliver(run_id, "word", "hop")
                await world.end_of(run_id)
            return await walk(world, run_id, other)

    told, run, quiet = play(main)
    assert quiet, "a replay entered a body"
    return told, run


async def walk(world: World, run_id: object, other: Body) -> tuple[Replayed, Run, bool]:
    run = await world.memory.get(run_id)  # type: ignore[arg-type]
    assert run is not None
    journal, inbox = await events(world, run.id), await world.memory.inbox(run.id)
    before, seq = len(ENTERED), run.seq
    claimed = ClaimedRun(run=run, events=tuple(journal), inbox=tuple(inbox))
    told = await replay(claimed, program(other), world.memory, world.clock)
    after = await world.memory.get(run.id)
    assert after == run, "a replay changed the run"
    return told, run, len(ENTERED) == before and after.seq == seq


def test_the_program_that_wrote_a_journal_fits_it_to_its_end() -> None:
    told, run = replayed(original, original)
    assert run.state is RunState.SUCCEEDED
    assert (told.verdict, told.why) == ("fits", "")
    assert told.result == run.result


def test_a_run_in_flight_is_replayed_up_to_where_it_stands() -> None:
    for seconds in (0.5, 1800, 3650):
        told, run = replayed(original, original, until=seconds)
        assert run.state is RunState.WAITING
        assert (told.verdict, told.result) == ("fits", None), seconds


def test_a_program_that_only_goes_on_otherwise_fits() -> None:
    async def other() -> object:
        await step(find, "a")
        await gather(step(find, "b"), step(pay, 3, effect=Effect.UNSAFE))
        await sleep(3600)
        return await step(find, "something else")

    assert replayed(original, other, until=1800)[0].verdict == "fits"


def test_a_program_that_does_not_wait_for_what_the_run_waits_for_diverges() -> None:
    async def waits() -> object:
        await step(find, "a")
        return await signal("word", key="w")

    async def for_another() -> object:
        await step(find, "a")
        return await signal("deed", key="w")

    async def no_more() -> object:
        return await step(find, "a")

    async def after_another_step() -> object:
        await step(find, "a")
        await step(find, "b")
        return await signal("word", key="w")

    assert replayed(waits, waits, until=1)[0].verdict == "fits"
    for other in (for_another, no_more):
        told, run = replayed(waits, other, until=1)
        assert run.state is RunState.WAITING
        assert told.verdict == "diverges" and "'word'" in told.why
    # What comes after a step that was never made, no replay knows.
    assert replayed(waits, after_another_step, until=1)[0].verdict == "fits"


def test_a_program_that_does_not_wait_for_the_runs_child_diverges() -> None:
    async def waits() -> object:
        return await gather(step(find, "a"), child("leaf"), signal("word"))

    async def no_child() -> object:
        return await gather(step(find, "a"), step(find, "a"), signal("word"))

    assert replayed(waits, waits, until=3)[0].verdict == "fits"
    assert replayed(waits, no_child, until=3)[0].verdict == "diverges"


def test_another_argument_diverges_with_the_key() -> None:
    async def other() -> object:
        return await step(find, "z")

    told, _ = replayed(original, other, until=1800)
    assert told.verdict == "diverges"
    assert "'find/0'" in told.why


def test_a_step_that_is_left_out_diverges() -> None:
    async def other() -> object:
        await step(find, "a")
        await sleep(3600)
        return None

    assert replayed(original, other, until=1800)[0].verdict == "diverges"


def test_a_keyed_step_that_is_left_out_diverges() -> None:
    async def keyed() -> object:
        await step(find, "a", key="one")
        await step(find, "b", key="two")
        return await signal("word")

    async def other() -> object:
        await step(find, "b", key="two")
        return await signal("word")

    told, _ = replayed(keyed, other, until=1)
    assert told.verdict == "diverges"
    assert "'@one'" in told.why


def test_what_changed_harmlessly_drifts() -> None:
    async def asks() -> object:
        await step(find, "a", drift="Be kind.")
        return await signal("word")

    async def other() -> object:
        await step(find, "a", drift="Be brief.")
        return await signal("word")

    told, _ = replayed(asks, other, until=1)
    assert (told.verdict, told.drifted) == ("drifts", ("find/0",))


def test_another_end_is_told() -> None:
    async def short() -> object:
        return await step(find, "a")

    async def other() -> object:
        return [await step(find, "a")]

    run, journal = live(short)
    for body, alike in ((short, True), (other, False)):
        assert ended_alike(again(run, journal, body), journal) is alike


def again(run: Run, journal: list[AnyEvent], body: Body) -> Replayed:
    async def main() -> Replayed:
        async with calm_world(program(body)) as world:
            claimed = ClaimedRun(run=run, events=tuple(journal), inbox=())
            return await replay(claimed, program(body), world.memory, world.clock)

    return play(main)


def test_a_failure_that_the_journal_holds_is_raised_again() -> None:
    @pure
    async def breaks() -> None:
        raise OSError("no disk")

    async def body() -> object:
        try:
            await step(breaks)
        except StepFailed as error:
            return error.failure.kind
        return None

    run, journal = live(body)
    told = again(run, journal, body)
    assert told.verdict == "fits"
    assert ended_alike(told, journal)
    assert isinstance(told, Replayed)


def test_losers_need_not_be_walked_along_where_the_journal_ends_before_it_says_who_won() -> None:
    async def quick() -> object:
        return await step(find, "quick")

    async def loser() -> object:
        for number in range(10):
            await gather(step(find, f"{number}"))  # some turns of the loop, also where all is known
        return await signal("never")

    async def enough_is_one() -> object:
        return len(await gather_until(lambda ended: len(ended) == 1, waits(), loser()))

    async def waits() -> object:
        await sleep(60)
        return await quick()

    async def main() -> None:
        async with calm_world(program(enough_is_one)) as world:
            run_id = await world.submit("p")
            run = await world.end_of(run_id)
            journal = tuple(await events(world, run.id))
            for length in range(len(journal) + 1):
                claimed = ClaimedRun(run=run, events=journal[:length], inbox=())
                told = await replay(claimed, program(enough_is_one), world.memory, world.clock)
                assert told.verdict == "fits", (length, told.why)

    play(main)
