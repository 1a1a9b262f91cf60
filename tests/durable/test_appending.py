"""Appending: an outcome goes out with what follows it, and nothing is entered or ended before it is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest

from tests.durable.stage import Body, events, failure, play, program, pure
from watership.adapters.memory import MemoryStore
from watership.durable import Effect, Program, child, gather, race, signal, sleep, step, timeout
from watership.durable.events import Event, Finished, SignalTaken, StepDone, StepStarted, TimerFired, TimerSet
from watership.durable.ids import Key
from watership.durable.states import RunState
from watership.durable.writes import Append, Claimed, Finish, Outcome, Park, Refused, Write, Written, Yield
from watership.testing.faults import Nemesis
from watership.testing.simulation import SETTINGS, World, decoded

T = TypeVar("T")


@pure
async def double(number: int) -> int:
    return number * 2


class Way:
    """A store that keeps what was written, and lets a test step in before a write is committed."""

    def __init__(self, memory: MemoryStore) -> None:
        self.memory = memory
        self.appended: list[Append] = []
        self.claims = 0
        self.before: Callable[[Append], Awaitable[Outcome | None]] = self.pass_on

    async def pass_on(self, append: Append) -> Outcome | None:
        return None

    async def write(self, writes: Sequence[Write]) -> Written:
        for write in writes:
            outcome = await self.before(write) if isinstance(write, Append) else None
            if outcome is not None:
                return Written(outcomes=(outcome,) * len(writes))
        written = await self.memory.write(writes)
        self.appended += [write for write in writes if isinstance(write, Append)]
        self.claims += sum(isinstance(each, Claimed) and bool(each.runs) for each in written.outcomes)
        return written


class Stage:
    """A calm world on such a store."""

    def __init__(self, *programs: Program) -> None:
        self.way: Way
        self.world = World(
            {each.name: each for each in programs},
            workers=1,
            nemesis=Nemesis(0, most=0),
            settings=SETTINGS,
            store=self._way,
        )

    def _way(self, memory: MemoryStore) -> Way:
        self.way = Way(memory)
        return self.way


def written(body: Body, *others: Program) -> list[Append]:
    """The appends of a run of `body` that succeeds after one claim."""

    async def main() -> list[Append]:
        stage = Stage(program(body), *others)
        async with stage.world as world:
            run = await world.end_of(await world.submit("p"))
            assert run.state is RunState.SUCCEEDED, run.failure
            assert stage.way.claims == 1
            return stage.way.appended

    return play(main)


def kinds(append: Append) -> list[type[Event]]:
    return [type(event) for event in append.events]


def test_three_pure_steps_and_an_end_are_four_writes_with_the_claim() -> None:
    async def body() -> object:
        return await step(double, await step(double, await step(double, 1)))

    appended = written(body)
    assert [kinds(each) for each in appended] == [[StepDone]] * 3
    assert [isinstance(each.then, Finish) for each in appended] == [False, False, True]


def test_the_outcome_of_an_unsafe_step_goes_with_the_start_of_the_next() -> None:
    async def body() -> object:
        for _ in range(2):
            await step(double, 1, effect=Effect.UNSAFE)
        return None

    assert [kinds(each) for each in written(body)] == [[StepStarted], [StepDone, StepStarted], [StepDone]]


def test_an_outcome_goes_with_the_park_that_follows_it() -> None:
    async def body() -> object:
        return [await step(double, 1), await signal("go")]

    async def main() -> object:
        stage = Stage(program(body))
        async with stage.world as world:
            run_id = await world.submit("p")
            await world.until(run_id, RunState.WAITING)
            assert [(kinds(it), type(it.then)) for it in stage.way.appended] == [([StepDone], Park)]
            await world.deliver(run_id, "go")
            run = await world.end_of(run_id)
            assert kinds(stage.way.appended[-1]) == [SignalTaken]
            return decoded(run)

    assert play(main) == [2, None]


def test_an_outcome_survives_a_park_that_is_refused() -> None:
    entered = []

    @pure
    async def enters() -> None:
        entered.append(1)

    async def body() -> object:
        return [await step(enters), await signal("go")]

    async def main() -> object:
        stage = Stage(program(body))
        async with stage.world as world:

            async def signal_comes(append: Append) -> Outcome | None:
                if isinstance(append.then, Park):
                    stage.way.before = stage.way.pass_on
                    await world.deliver(append.run_id, "go")
                return None

            stage.way.before = signal_comes
            run_id = await world.submit("p")
            run = await world.end_of(run_id)
            assert [type(each) for each in await events(world, run_id)] == [StepDone, SignalTaken, Finished]
            return [decoded(run), stage.way.claims]

    assert play(main) == [[None, None], 1]
    assert entered == [1]


def test_a_crash_before_the_commit_of_a_known_outcome_repeats_that_step_and_no_later_one() -> None:
    entered, known, at_the_crash = [], [], []

    @pure
    async def enters(name: str) -> None:
        entered.append(name)

    async def body() -> object:
        for name in ("a", "b", "c"):
            await step(enters, name)
            known.append(name)
        return None

    async def main() -> None:
        stage = Stage(program(body))
        async with stage.world as world:

            async def crash(append: Append) -> Outcome | None:
                if [event.key for event in append.events] == ["enters/1"]:
                    stage.way.before = stage.way.pass_on
                    at_the_crash.extend([list(entered), list(known)])
                    await world.workers[0].process.die()
                return None

            stage.way.before = crash
            await world.end_of(await world.submit("p"))

    play(main)
    assert at_the_crash == [["a", "b"], ["a", "b"]], (
        "its outcome was known, and nothing had been entered on it"
    )
    assert entered == ["a", "b", "b", "c"]


def test_what_a_program_knows_is_committed_soon_though_it_waits_for_something_foreign() -> None:
    async def body() -> object:
        await step(double, 1)
        await asyncio.sleep(3_000)
        return None

    async def main() -> None:
        async with Stage(program(body)).world as world:
            run_id = await world.submit("p")
            await world.clock.sleep(3.0)
            assert [type(each) for each in await events(world, run_id)] == [StepDone]
            await world.end_of(run_id)

    play(main)


def test_an_outcome_that_is_refused_takes_the_end_with_it() -> None:
    async def body() -> object:
        return await step(double, 1)

    async def main() -> None:
        stage = Stage(program(body))
        async with stage.world as world:

            async def refuse(append: Append) -> Outcome | None:
                return Refused(code="limit", reason="The journal is full.") if append.events else None

            stage.way.before = refuse
            run_id = await world.submit("p")
            run = await world.until(run_id, RunState.STOPPED, RunState.SUCCEEDED)
            assert run.state is RunState.STOPPED and failure(run) == "Refused"
            assert await events(world, run_id) == []

    play(main)


@pytest.mark.parametrize("effect", [Effect.PURE, Effect.UNSAFE])
@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_after_a_known_outcome_that_is_refused_nothing_is_entered(effect: Effect, pause: float) -> None:
    entered = []

    @pure
    async def enters() -> None:
        entered.append(1)

    async def body() -> object:
        await step(enters)
        if pause:
            await asyncio.sleep(pause)
        await step(enters, effect=effect)
        return None

    async def main() -> None:
        stage = Stage(program(body))
        async with stage.world as world:

            async def refuse_the_first(append: Append) -> Outcome | None:
                if all(event.key != "enters/0" for event in append.events):
                    return None
                await asyncio.sleep(1.0)
                return Refused(code="limit", reason="The journal is full.")

            stage.way.before = refuse_the_first
            run = await world.until(await world.submit("p"), RunState.STOPPED, RunState.SUCCEEDED)
            assert run.state is RunState.STOPPED and failure(run) == "Refused"
            assert await events(world, run.id) == [], "nothing that came of it is written either"

    play(main)
    assert entered == [1]


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_a_signal_that_comes_once_a_known_outcome_is_on_its_way_to_be_refused_is_not_taken(
    seconds: float,
) -> None:
    async def body() -> object:
        hears = asyncio.create_task(signal("go", key="hears"))
        await asyncio.sleep(0.1)
        await step(double, 1)
        await asyncio.sleep(10.0)
        return [await step(double, 2), await hears]

    async def main() -> None:
        stage = Stage(program(body))
        async with stage.world as world:

            async def refuse_the_step(append: Append) -> Outcome | None:
                if StepDone not in kinds(append):
                    return None
                refusing.set()
                await asyncio.sleep(1.0)
                return Refused(code="limit", reason="The journal is full.")

            refusing = asyncio.Event()
            stage.way.before = refuse_the_step
            run_id = await world.submit("p")
            await refusing.wait()
            await world.clock.sleep(seconds)
            await world.deliver(run_id, "go")
            run = await world.until(run_id, RunState.STOPPED, RunState.SUCCEEDED)
            assert run.state is RunState.STOPPED and failure(run) == "Refused"
            assert await events(world, run_id) == []

    play(main)


def test_a_branch_that_writes_while_an_outcome_is_refused_with_another_does_not_overtake_it() -> None:
    async def body() -> object:
        await step(double, 1)
        with pytest.raises(ValueError, match="no such letter"):
            await gather(sleep(1.0), step(double, 2, effect=Effect.UNSAFE))
        return await signal("go")

    async def main() -> None:
        stage = Stage(program(body))
        async with stage.world as world:

            async def cannot_hold_the_timer(append: Append) -> Outcome | None:
                if any(isinstance(event, TimerSet) for event in append.events):
                    await asyncio.sleep(1.0)
                    raise ValueError("no such letter")
                return None

            stage.way.before = cannot_hold_the_timer
            run_id = await world.submit("p")
            await world.until(run_id, RunState.WAITING)
            await world.deliver(run_id, "go")
            run = await world.until(run_id, RunState.STOPPED, RunState.SUCCEEDED)
            assert run.state is RunState.SUCCEEDED, run.failure
            assert [type(each) for each in await events(world, run_id)][:2] == [StepDone, StepStarted]

    play(main)


def test_an_outcome_that_the_store_cannot_hold_stops_the_run_once() -> None:
    entered = []

    @pure
    async def enters() -> None:
        entered.append(1)

    async def body() -> object:
        return await step(enters)

    async def main() -> None:
        stage = Stage(program(body))
        async with stage.world as world:

            async def break_down(append: Append) -> Outcome | None:
                if append.events:
                    raise ValueError("no such letter")
                return None

            stage.way.before = break_down
            run = await world.until(await world.submit("p"), RunState.STOPPED, RunState.FAILED)
            assert run.state is RunState.STOPPED and failure(run) == "ValueError"

    play(main)
    assert entered == [1]


def test_a_drain_that_cuts_a_run_off_hands_over_what_it_knew() -> None:
    async def main() -> None:
        knows = asyncio.Event()

        async def body() -> object:
            await step(double, 1)
            knows.set()
            await asyncio.sleep(3_000)
            return None

        stage = Stage(program(body))
        async with stage.world as world:
            run_id = await world.submit("p")
            await knows.wait()
            await world.workers[0].worker.drain(0.0)
            assert [type(each) for each in await events(world, run_id)] == [StepDone]
            assert stage.way.appended[-1].then == Yield()

    play(main)


def test_a_drain_that_cuts_a_run_off_does_not_wait_for_what_is_under_way() -> None:
    async def body() -> object:
        await step(double, 1)
        await asyncio.sleep(0.1)  # it goes out alone
        return await step(double, 2, effect=Effect.UNSAFE)

    async def main() -> None:
        stage = Stage(program(body))
        async with stage.world as world:

            async def takes_long(append: Append) -> Outcome | None:
                under_way.set()
                await asyncio.sleep(1.0)
                return None

            under_way = asyncio.Event()
            stage.way.before = takes_long
            run_id = await world.submit("p")
            await under_way.wait()
            await world.clock.sleep(0.5)
            await world.workers[0].worker.drain(0.0)
            assert [(kinds(it), it.then) for it in stage.way.appended] == [([StepDone], None), ([], Yield())]
            run = await world.memory.get(run_id)
            assert run is not None and run.state is RunState.READY

    play(main)


def test_no_body_is_entered_while_anything_that_the_program_knows_is_not_committed() -> None:
    known: set[Key] = set()
    early: list[set[Key]] = []
    entered: list[int] = []

    async def main() -> None:
        async def body() -> object:
            await knowing("looks/0", look, 0.0)
            await gather(*[below(f"gather#0/{index}", index / 10) for index in range(3)])
            await race(below("race#0/0", 0.5), below("race#0/1", 2.0))
            await timeout(60, below("timeout#0/0", 0.1))
            known.add(Key("child/0"))
            await child("other")
            known.add(Key("other/0"))
            await asyncio.gather(*[keyed(f"k{index}", index / 10) for index in range(3)])
            return None

        async def below(path: str, seconds: float) -> None:
            await knowing(f"{path}/looks/0", look, seconds)
            await sleep(0.0)
            known.add(Key(f"{path}/sleep/0"))
            await knowing(f"{path}/looks/1", risk, seconds)
            await knowing(f"{path}/looks/2", look, seconds)

        async def knowing(key: str, looks: Callable[[float], Awaitable[None]], seconds: float) -> None:
            await step(looks, seconds, name="looks")
            known.add(Key(key))

        async def keyed(key: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            await step(look, seconds, key=key)
            known.add(Key(f"@{key}"))
            await step(risk, seconds, key=key + "'")

        async def look(seconds: float) -> None:
            entered.append(1)
            entries = await stage.world.memory.journal(run_ids[0], limit=1000)
            committed = {it.event.key for it in entries if isinstance(it.event, StepDone | TimerFired)}
            early.append({key for key in known if not key.startswith(("child", "other"))} - committed)
            await asyncio.sleep(seconds)

        pure(look)

        async def risk(seconds: float) -> None:
            await look(seconds)

        run_ids = []

        async def other() -> object:
            return None

        async def takes_long(append: Append) -> Outcome | None:
            await asyncio.sleep(0.07)
            return None

        stage = Stage(program(body), program(other, "other"))
        async with stage.world as world:
            stage.way.before = takes_long
            run_ids.append(await world.submit("p"))
            run = await world.end_of(run_ids[0])
            assert run.state is RunState.SUCCEEDED, run.failure

    play(main)
    assert len(entered) > 20
    assert [each for each in early if each] == []
