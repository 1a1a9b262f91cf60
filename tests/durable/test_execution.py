"""An execution parks, drains, undoes, stops, carries on; then it is sealed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.durable.stage import ENDS, calm_world, events, failure, live, play, program, pure, restart, result
from watership.durable import (
    ChildFailed,
    Effect,
    Program,
    Sealed,
    branch,
    carry_on,
    child,
    current_run,
    gather,
    hosting,
    idempotency_key,
    race,
    signal,
    sleep,
    step,
)
from watership.durable.calls import now
from watership.durable.events import SignalTaken, StepDone
from watership.durable.ids import Key, RunId, child_id
from watership.durable.states import RunState
from watership.durable.writes import Submit
from watership.errors import ProgramError
from watership.testing.simulation import DEPLOYMENT, World, decoded

Body = Callable[[], Awaitable[object]]


@pure
async def echo(value: object = None, seconds: float = 0.0) -> object:
    await asyncio.sleep(seconds)
    return value


@pure
async def other(value: object = None) -> object:
    return value


# --- the rules of calls -----------------------------------------------------------------------------------------


def test_a_step_under_raw_asyncio_gather_is_refused() -> None:
    async def body() -> object:
        return await asyncio.gather(step(echo, 1), step(echo, 2))

    run, journal = live(body)
    assert failure(run) == "Unbranched" and len(journal) == 1


def test_a_keyed_step_is_allowed_from_any_task() -> None:
    async def body() -> object:
        return await asyncio.gather(step(echo, 1, key="turn/a/0"), step(echo, 2, key="turn/b/0"))

    run, journal = live(body)
    assert decoded(run) == [1, 2]
    assert {event.key for event in journal[:2]} == {"@turn:a:0", "@turn:b:0"}


def test_a_key_is_used_once() -> None:
    async def body() -> object:
        await step(echo, 1, key="mine")
        return await step(echo, 2, key="mine")

    run, _ = live(body)
    assert failure(run) == "KeyUsedTwice"


def test_the_kernel_is_not_called_outside_of_a_run() -> None:
    async def main() -> None:
        for call in (step(echo), sleep(1), signal("go"), child("p"), now()):
            with pytest.raises(ProgramError, match="outside a run"):
                await call
        for ask in (current_run, idempotency_key):
            with pytest.raises(ProgramError, match="outside a run"):
                ask()

    play(main)


# --- changed code ------------------------------------------------------------------------------------------------


def changed(before: Body, after: Body) -> tuple[World, RunId, str]:
    """A run that parks under `before` on signal `go` and is replayed under `after`."""
    code = {"body": before}

    async def body() -> object:
        return await code["body"]()

    async def main() -> tuple[World, RunId, str]:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.until(run_id, RunState.WAITING)
            code["body"] = after
            await world.deliver(run_id, "go")
            run = await world.until(run_id, *ENDS, RunState.STOPPED)
            assert world.oracle.violations == []
            return world, run_id, f"{run.state} {run.failure.message if run.failure else decoded(run)}"

    return play(main)


async def two_steps() -> object:
    await step(echo, 1)
    await step(other, 2)
    return await signal("go")


async def renamed() -> object:
    await step(echo, 1, name="renamed")
    await step(other, 2)
    return await signal("go")


async def removed() -> object:
    await step(echo, 1)
    return await signal("go")


async def removed_first() -> object:
    await step(other, 2)
    return await signal("go")


async def inserted() -> object:
    await step(echo, 1)
    await sleep(1)
    await step(other, 2)
    return await signal("go")


async def changed_arguments() -> object:
    await step(echo, "one")
    await step(other, 2)
    return await signal("go")


async def swapped() -> object:
    await step(other, 2)
    await step(echo, 1)
    return await signal("go")


async def cut_short() -> object:
    return await step(echo, 1)


async def raises_early() -> object:
    await step(echo, 1)
    raise ValueError("new code")


@pytest.mark.parametrize(
    ("after", "key"),
    [
        (renamed, "echo/0"),
        (removed, "other/0"),
        (removed_first, "echo/0"),
        (inserted, "other/0"),
        (changed_arguments, "echo/0"),
        (swapped, "echo/0"),
        (cut_short, "other/0"),
        (raises_early, "other/0"),
    ],
)
def test_changed_code_stops_the_run_and_names_the_key(after: Body, key: str) -> None:
    _, _, said = changed(two_steps, after)
    assert said.startswith("stopped At ") and f"'{key}'" in said


def test_a_step_appended_at_the_end_is_no_change() -> None:
    async def appended() -> object:
        await two_steps()
        return await step(echo, "more")

    assert changed(two_steps, appended)[2] == "succeeded more"


async def kept(value: str) -> object:
    await step(echo, value)
    return await signal(f"go {value}")


async def keyed(value: str) -> object:
    await step(echo, value, key=value)
    return await signal(f"go {value}")


@pytest.mark.parametrize("branch", [kept, keyed])
@pytest.mark.parametrize("call", [gather, race])
def test_a_branch_that_is_left_out_stops_the_run_and_is_named(call: Any, branch: Any) -> None:
    def branches(*values: str) -> Body:
        async def body() -> object:
            return await call(*(branch(value) for value in values))

        return body

    said = changed(branches("a", "b", "c"), branches("a"))[2]
    assert said.startswith(f"stopped At '{call.__name__}#0/1/") and f"1 branch of '{call.__name__}#0'" in said


def test_a_race_without_its_winner_stops_the_run() -> None:
    async def before() -> object:
        return [await race(signal("never"), kept("a"), step(echo, "quick")), await signal("go")]

    async def after() -> object:
        return [await race(signal("never"), kept("a")), await signal("go")]

    said = changed(before, after)[2]
    assert said.startswith("stopped At 'race#0/2/echo/0'") and "2 branches of 'race#0'" in said


def test_a_loser_may_be_left_out_of_a_decided_race() -> None:
    async def before() -> object:
        return [await race(step(echo, "quick"), kept("a")), await signal("go")]

    async def after() -> object:
        return [await race(step(echo, "quick")), await signal("go")]

    assert changed(before, after)[2] == "succeeded ['quick', None]"


def test_a_branch_that_leaves_out_a_step_stops_the_run() -> None:
    async def waits() -> object:
        return await signal("go")

    async def full() -> object:
        return await gather(waits(), cut(2))

    async def short() -> object:
        return await gather(waits(), cut(1))

    async def cut(steps: int) -> None:
        for number in range(steps):
            await step(echo, number)

    assert "'gather#0/1/echo/1'" in changed(full, short)[2]


def test_a_program_tool_that_leaves_out_a_step_stops_the_run() -> None:
    async def tool(steps: int) -> object:
        async with branch("turn/call/0"):
            for number in range(steps):
                await step(echo, number)
        return await signal("go")

    assert "'@turn:call:0/echo/1'" in changed(lambda: tool(2), lambda: tool(1))[2]


def test_a_cancelled_parent_takes_its_child_along_which_undoes_what_it_did() -> None:
    undone: list[object] = []

    async def undo(value: object) -> None:
        undone.append(value)

    async def childs() -> object:
        await step(echo, "booked", on_cancel=undo)
        return await signal("never")

    async def main() -> list[RunState]:
        async with calm_world(program(lambda: child("c")), program(childs, "c")) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(5)
            await world.cancel(run_id)
            parent = await world.end_of(run_id)
            return [parent.state, (await world.end_of(child_id(run_id, Key("c/0")))).state]

    assert play(main) == [RunState.CANCELLED, RunState.CANCELLED]
    assert undone == ["booked"]


def test_a_signal_of_another_name_is_a_change() -> None:
    async def asks(name: str) -> object:
        await signal("go")
        return await signal(name)

    async def main() -> str:
        code = {"name": "first"}

        async def body() -> object:
            return await asks(code["name"])

        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.deliver(run_id, "go")
            await world.until(run_id, RunState.WAITING)
            code["name"] = "second"
            await world.deliver(run_id, "first")
            await world.clock.sleep(10)
            run = await world.run(run_id)
            return f"{run.state} {[wait.key for wait in run.waits]}"

    # Nothing of the second name was journaled, so that it is a wait like any other.
    assert play(main) == "waiting ['second/0']"


# --- parking and sealing -----------------------------------------------------------------------------------------


def test_code_that_unwinds_after_the_park_is_refused_and_writes_nothing() -> None:
    refused: list[str] = []

    async def body() -> object:
        try:
            return await signal("go")
        except BaseException:
            try:
                await step(echo, "in except")
            except Sealed as error:
                refused.append(str(error))
            raise
        finally:
            try:
                await sleep(1)
            except Sealed as error:
                refused.append(str(error))

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.until(run_id, RunState.WAITING)
            assert len(refused) == 2 and await events(world, run_id) == []
            await restart(world)
            await world.clock.sleep(30)
            return await events(world, run_id)

    assert play(main) == []


def test_a_wait_never_raises_so_that_a_program_may_catch_what_it_likes() -> None:
    caught = []

    async def body() -> object:
        try:
            return await signal("go")
        except Exception as error:  # noqa: BLE001
            caught.append(error)
        return None

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(10)
            await world.deliver(run_id, "go", "on")
            return decoded(await world.end_of(run_id))

    assert play(main) == "on" and caught == []


def test_a_signal_that_comes_while_the_run_parks_wakes_it() -> None:
    async def body() -> object:
        await step(echo, 1, 2.0)
        return await signal("go")

    async def main(seed: int) -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(2.0)
            for _ in range(seed % 20):
                await asyncio.sleep(0)
            await world.deliver(run_id, "go", "heard")
            return decoded(await world.end_of(run_id, within=20))

    for seed in range(100):
        assert play(lambda seed=seed: main(seed), seed=seed) == "heard"  # type: ignore[misc]


def test_signals_are_taken_in_their_order_and_once() -> None:
    async def body() -> object:
        return [await signal("word") for _ in range(3)]

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            for number in (1, 2, 2, 3, 1):
                await world.deliver(run_id, "word", number, id=f"word-{number}")
                await world.clock.sleep(3)
            run = await world.end_of(run_id)
            numbers = [e.number for e in await events(world, run_id) if isinstance(e, SignalTaken)]
            return [decoded(run), numbers]

    assert play(main) == [[1, 2, 3], [1, 2, 3]]


def test_a_foreign_loop_with_keyed_calls_parks_and_resumes() -> None:
    rounds = []

    async def tool(call: str, seconds: float) -> object:
        async with branch(f"turn/{call}/0"):
            await sleep(seconds)
            return await signal(call)

    async def foreign_loop() -> list[object]:
        rounds.append(1)
        model = await step(echo, "plan", key="model/0")
        return [model, *await asyncio.gather(tool("a", 30), tool("b", 60))]

    async def body() -> object:
        async with hosting():
            task = asyncio.create_task(foreign_loop())
            try:
                found = await task
            finally:
                task.cancel()
        return [found, await step(echo, "end")]

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.until(run_id, RunState.WAITING)
            await world.deliver(run_id, "a", 1)
            await world.clock.sleep(100)
            assert (await world.run(run_id)).state is RunState.WAITING
            await restart(world)
            await world.deliver(run_id, "b", 2)
            return decoded(await world.end_of(run_id))

    assert play(main) == [["plan", 1, 2], "end"]
    assert len(rounds) > 2


# --- cancelling --------------------------------------------------------------------------------------------------


def undoing(crash_at: str = "", fail_at: str = "") -> tuple[object, list[str], list[str]]:
    """A run with three completed steps that is cancelled while it waits; the order of what was undone."""
    undone: list[str] = []
    crashed: list[str] = []
    worlds: list[World] = []

    async def undo(value: str) -> None:
        if value == crash_at and not crashed:
            crashed.append(value)
            for each in worlds[0].workers:
                worlds[0].crash(each)
            await asyncio.sleep(1)
        undone.append(value)
        if value == fail_at:
            raise OSError("cannot undo")

    async def make(value: str) -> str:
        return value

    async def body() -> object:
        await step(make, "a", effect=Effect.UNSAFE, on_cancel=undo)
        await gather(
            step(make, "b", effect=Effect.UNSAFE, on_cancel=undo),
        )
        await step(make, "c", effect=Effect.UNSAFE, on_cancel=undo)
        await step(make, "d", effect=Effect.UNSAFE)
        try:
            await signal("go")
        finally:
            undone.append("finally")
        return None

    async def main() -> tuple[object, list[str]]:
        async with calm_world(program(body)) as world:
            worlds.append(world)
            run_id = await world.submit("p")
            await world.until(run_id, RunState.WAITING)
            await world.cancel(run_id)
            run = await world.end_of(run_id)
            assert world.oracle.violations == []
            keys = [event.key for event in await events(world, run_id) if isinstance(event, StepDone)]
            return [run.state, failure(run)], [key for key in keys if key.startswith("@on_cancel")]

    state, keys = play(main)
    return state, [each for each in undone if each != "finally"], keys


def test_cancelling_undoes_completed_steps_the_last_one_first() -> None:
    state, undone, keys = undoing()
    assert state == [RunState.CANCELLED, "Cancelled"]
    assert undone == ["c", "b", "a"] and len(keys) == 3


def test_cancelling_survives_a_crash_in_its_middle() -> None:
    state, undone, keys = undoing(crash_at="b")
    assert state == [RunState.CANCELLED, "Cancelled"]
    assert undone == ["c", "b", "a"] and len(keys) == 3


def test_a_compensation_that_fails_does_not_keep_the_others_from_being_made() -> None:
    state, undone, keys = undoing(fail_at="b")
    assert state == [RunState.CANCELLED, "CompensationFailed"]
    assert undone == ["c", "b", "b", "b", "a"] and len(keys) == 2


def test_a_run_that_is_handed_over_while_its_program_unwinds_is_not_undone_here() -> None:
    undone = []

    @pure
    async def book() -> None: ...

    async def undo(_: object) -> None:
        undone.append(1)

    async def body() -> object:
        await step(book, on_cancel=undo)
        try:
            return await signal("never")
        finally:
            unwinds.set()
            await asyncio.sleep(2.0)

    unwinds = asyncio.Event()

    async def main() -> None:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(1.0)
            unwinds.clear()
            await world.cancel(run_id)
            await unwinds.wait()
            await world.workers[0].worker.drain(0.0)
            assert [type(each) for each in await events(world, run_id)] == [StepDone]
            await asyncio.sleep(3.0)
            assert undone == []

    play(main)


def test_a_run_that_nobody_claimed_is_cancelled_at_once() -> None:
    async def main() -> object:
        async with calm_world(program(echo), workers=0) as world:
            run_id = await world.submit("p")
            await world.cancel(run_id)
            return (await world.run(run_id)).state

    assert play(main) is RunState.CANCELLED


# --- children and successors -------------------------------------------------------------------------------------


def test_a_child_gives_its_result_to_its_parent() -> None:
    async def kid(raw: msgspec.Raw) -> object:
        await sleep(30)
        return msgspec.json.decode(raw, type=int) * 2

    async def body() -> object:
        return await gather(child("kid", 1), child("kid", 2))

    async def apart() -> object:
        return [await child("kid", 3), await child("kid", 4)]

    assert result(body, Program("kid", kid)) == [2, 4]
    assert result(apart, Program("kid", kid)) == [6, 8]


def test_a_child_that_fails_raises_in_its_parent_and_again_on_replay() -> None:
    async def kid() -> object:
        raise ValueError("bad child")

    async def body() -> object:
        try:
            await child("kid")
        except ChildFailed as error:
            await sleep(5)
            return str(error.failure.message if error.failure else "")
        return None

    assert result(body, program(kid, "kid")) == "bad child"


def test_a_child_that_is_cancelled_raises_in_its_parent() -> None:
    async def kid() -> object:
        return await signal("never")

    async def body() -> object:
        try:
            await child("kid")
        except ChildFailed as error:
            return "cancelled" in str(error)
        return None

    async def main() -> object:
        async with calm_world(program(body), program(kid, "kid")) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(10)
            (kid_run,) = [run for run in world.memory._rows.live.values() if run.parent == run_id]
            await world.cancel(kid_run.id)
            return decoded(await world.end_of(run_id))

    assert play(main) is True


def test_carrying_on_starts_a_successor_that_answers_the_parent() -> None:
    async def kid(raw: msgspec.Raw) -> object:
        count = msgspec.json.decode(raw, type=int)
        await step(echo, count)
        if count < 3:
            await carry_on(count + 1)
        return [count, str(current_run())]

    async def body() -> object:
        return await child("kid", 0)

    async def main() -> None:
        async with calm_world(program(body), Program("kid", kid)) as world:
            run_id = await world.submit("p")
            run = await world.end_of(run_id)
            found = msgspec.json.decode(run.result, type=tuple[int, str])
            last = await world.run(RunId(found[1]))
            assert found[0] == 3 and last.parent == run_id and last.successor is None
            kids = [each for each in world.memory._rows.runs.values() if each.program == "kid"]
            assert len(kids) == 4 and sum(each.successor is not None for each in kids) == 3

    play(main)


def test_carrying_on_keeps_the_place_in_the_conversation() -> None:
    order: list[str] = []

    async def talk(raw: msgspec.Raw) -> object:
        given = msgspec.json.decode(raw, type=str)
        order.append(given)
        await sleep(5)
        if given == "first":
            await carry_on("first, carried on")
        return given

    async def main() -> None:
        async with calm_world(Program("talk", talk)) as world:
            for name in ("first", "second"):
                value = msgspec.Raw(msgspec.json.encode(name))
                await world.write(
                    Submit(
                        run_id=RunId(name),
                        program="talk",
                        input=value,
                        deployment=DEPLOYMENT,
                        conversation="c",
                    )
                )
            await world.end_of(RunId("second"))

    play(main)
    assert list(dict.fromkeys(order)) == ["first", "first, carried on", "second"]
