"""A worker keeps its leases, enters nothing without them, drains, and buries the dead."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from tests.durable.stage import ENDS, calm_world, events, failure, play, program, pure, restart
from watership.adapters.ledger.bounds import MAX_ENTRIES
from watership.durable import Effect, signal, sleep, step
from watership.durable.events import StepDone, StepStarted
from watership.durable.ids import EntryId
from watership.durable.states import RunState
from watership.durable.writes import Retry
from watership.testing.faults import Fault, Nemesis
from watership.testing.simulation import SETTINGS, World, act, decoded

LEASE = SETTINGS.lease_seconds


@pure
async def echo(value: object = None, seconds: float = 0.0) -> object:
    await asyncio.sleep(seconds)
    return value


def test_a_worker_frozen_past_its_lease_enters_no_step_and_loses_its_run() -> None:
    entered: list[str] = []

    @pure
    async def enter(value: str) -> str:
        entered.append(value)
        await asyncio.sleep(1.0)
        return value

    async def body() -> object:
        return [await step(enter, "first"), await step(enter, "second")]

    async def main() -> object:
        async with calm_world(program(body), workers=2) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(0.5)
            (owner,) = [each for each in world.workers if each.worker.holding]
            owner.process.freeze(3 * LEASE)
            run = await world.end_of(run_id)
            assert entered == ["first", "first", "second"]
            await world.clock.sleep(3 * LEASE)
            assert world.oracle.violations == [] and owner.worker.holding == 0
            return decoded(run)

    assert play(main) == ["first", "second"]
    # The sleeper's own body went on to its end; its result was refused and nothing followed.
    assert entered == ["first", "first", "second"]


def test_a_worker_frozen_for_less_than_its_lease_goes_on() -> None:
    async def body() -> object:
        return [await step(echo, 1, 1.0), await step(echo, 2, 1.0)]

    async def main() -> object:
        async with calm_world(program(body), workers=2) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(0.5)
            for each in world.workers:
                each.process.freeze(LEASE / 3)
            run = await world.end_of(run_id)
            assert run.epoch == 1
            return decoded(run)

    assert play(main) == [1, 2]


def test_a_worker_that_takes_over_its_own_run_drops_its_former_execution() -> None:
    async def body() -> object:
        return [await step(echo, 1, 1.0), await step(echo, 2, 1.0)]

    async def main(seed: int) -> object:
        async with calm_world(program(body), workers=1) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(0.5)
            world.workers[0].process.freeze(2 * LEASE)
            run = await world.end_of(run_id)
            assert world.oracle.violations == []
            return decoded(run)

    for seed in range(20):
        assert play(lambda seed=seed: main(seed), seed=seed) == [1, 2]  # type: ignore[misc]


def test_a_lost_session_lock_is_taken_again_and_nothing_is_entered_before() -> None:
    async def body() -> object:
        return [await step(echo, number, 1.0) for number in range(4)]

    async def main(seed: int) -> object:
        async with calm_world(program(body), workers=2) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(1.5)
            for each in world.workers:
                world.sessions.kill(each.id)
            run = await world.end_of(run_id)
            await world.clock.sleep(LEASE)
            assert all(each.witness.held() for each in world.workers)
            assert world.oracle.violations == []
            return decoded(run)

    for seed in range(20):
        assert play(lambda seed=seed: main(seed), seed=seed) == [0, 1, 2, 3]  # type: ignore[misc]


def test_a_session_lock_that_is_back_within_the_lease_costs_no_run_its_owner() -> None:
    async def body() -> object:
        return [await step(echo, number, 1.0) for number in range(3)]

    async def main() -> object:
        async with calm_world(program(body), workers=1) as world:
            runs = [await world.submit("p") for _ in range(3)]
            await world.clock.sleep(0.5)
            world.sessions.full = True
            world.sessions.kill(world.workers[0].id)
            await world.clock.sleep(LEASE / 2)
            world.sessions.full = False
            ended = [await world.until(run_id, *ENDS, within=LEASE) for run_id in runs]
            assert [run.epoch for run in ended] == [1, 1, 1]
            return [decoded(run) for run in ended]

    assert play(main) == [[0, 1, 2]] * 3


def test_a_drain_does_not_wait_for_a_session_lock_that_cannot_be_taken_again() -> None:
    async def body() -> object:
        return [await step(echo, number, 1.0) for number in range(3)]

    async def main() -> None:
        async with calm_world(program(body), workers=1) as world:
            await world.submit("p")
            await world.clock.sleep(0.5)
            world.sessions.full = True
            world.sessions.kill(world.workers[0].id)
            await world.clock.sleep(1.0)
            began = world.clock.monotonic()
            await world.workers[0].worker.drain(LEASE)
            assert world.clock.monotonic() - began <= 2 * SETTINGS.poll_seconds
            assert world.workers[0].worker.holding == 0

    play(main)


def test_a_session_lock_that_cannot_be_taken_again_is_tried_again_and_no_program_hears_of_it() -> None:
    raised: list[Exception] = []

    async def body() -> object:
        try:
            return [await step(echo, number, 1.0) for number in range(5)]
        except Exception as error:
            raised.append(error)
            raise

    async def main() -> object:
        async with calm_world(program(body), workers=1) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(0.5)
            world.sessions.full = True
            world.sessions.kill(world.workers[0].id)
            await world.clock.sleep(2 * LEASE)
            world.sessions.full = False
            run = await world.end_of(run_id)
            assert world.workers[0].id == "worker-1" and not world.workers[0].task.done()
            assert world.oracle.violations == [] and raised == []
            return decoded(run)

    assert play(main) == [0, 1, 2, 3, 4]


def test_a_worker_that_begins_while_no_session_lock_can_be_had_waits_for_one() -> None:
    async def body() -> object:
        return await step(echo, 1)

    async def main() -> object:
        async with calm_world(program(body), workers=1) as world:
            world.sessions.full = True  # before the worker's process had its turn
            run_id = await world.submit("p")
            await world.clock.sleep(LEASE)
            assert not world.workers[0].task.done() and (await world.run(run_id)).epoch == 0
            world.sessions.full = False
            return decoded(await world.end_of(run_id))

    assert play(main) == 1


def test_a_worker_without_its_session_lock_does_not_believe_a_lease_that_time_has_not_ended() -> None:
    async def body() -> object:
        await asyncio.sleep(0.1)  # between the claim and the first step
        return [await step(echo, number, 0.1) for number in range(4)]

    async def main() -> object:
        async with calm_world(program(body), workers=2) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(0.05)
            (owner,) = [each for each in world.workers if each.worker.holding]
            owner.process.freeze(LEASE / 2)
            world.sessions.kill(owner.id)
            run = await world.end_of(run_id)
            await world.clock.sleep(LEASE)
            assert world.oracle.violations == [] and run.epoch == 2
            return decoded(run)

    entered: list[int] = []

    @pure
    async def echo(value: int, seconds: float) -> int:
        entered.append(value)
        await asyncio.sleep(seconds)
        return value

    assert play(main) == entered == [0, 1, 2, 3]


def test_a_dead_workers_runs_go_on_long_before_its_lease_ends() -> None:
    async def body() -> object:
        return await step(echo, 1, 3.0)

    async def main() -> None:
        async with calm_world(program(body), workers=2) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(0.5)
            (owner,) = [each for each in world.workers if each.worker.holding]
            world.crash(owner)
            await world.until(run_id, *ENDS, within=LEASE * 0.8)

    play(main)


def test_a_drain_hands_a_run_over_at_its_next_pause() -> None:
    async def body() -> object:
        return [await step(echo, number, 2.0) for number in range(3)]

    async def main() -> None:
        async with calm_world(program(body), workers=1) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(3.0)
            await world.workers[0].worker.drain(60.0)
            run = await world.run(run_id)
            assert run.state is RunState.READY and world.clock.monotonic() < 5.0
            assert [event.key for event in await events(world, run_id)] == ["echo/0", "echo/1"]
            await restart(world)
            assert decoded(await world.end_of(run_id)) == [0, 1, 2]

    play(main)


def test_a_drain_hands_a_run_over_in_the_middle_of_a_step_when_its_time_is_up() -> None:
    async def body() -> object:
        return await step(echo, 1, 600.0)

    async def main() -> None:
        async with calm_world(program(body), workers=1) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(3.0)
            await world.workers[0].worker.drain(10.0)
            run = await world.run(run_id)
            assert run.state is RunState.READY and 12.0 < world.clock.monotonic() < 14.0

    play(main)


def test_a_drain_that_is_hurried_hands_over_at_once() -> None:
    async def body() -> object:
        return await step(echo, 1, 600.0)

    async def main() -> None:
        async with calm_world(program(body), workers=1) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(3.0)
            worker = world.workers[0].worker
            draining = asyncio.create_task(worker.drain(60.0))
            await world.clock.sleep(1.0)
            assert not draining.done()
            worker.hurry()
            await draining
            run = await world.run(run_id)
            assert run.state is RunState.READY and world.clock.monotonic() < 6.0

    play(main)


def test_an_unsafe_step_that_a_drain_cut_off_is_in_doubt() -> None:
    async def body() -> object:
        return await step(echo, 1, 600.0, effect=Effect.UNSAFE)

    async def main() -> None:
        async with calm_world(program(body), workers=1) as world:
            world.answers_doubts = False
            run_id = await world.submit("p")
            await world.clock.sleep(3.0)
            await world.workers[0].worker.drain(10.0)
            await restart(world)
            await world.until(run_id, RunState.IN_DOUBT)
            journal = await events(world, run_id)
            assert [type(event) for event in journal] == [StepStarted]

    play(main)


def test_poison_is_stopped_after_its_limit_and_may_be_tried_again() -> None:
    deadly = [True]

    @pure
    async def kills() -> str:
        if deadly[0]:
            for each in worlds[0].workers:
                worlds[0].crash(each)
        await asyncio.sleep(1)
        return "lived"

    async def body() -> object:
        return await step(kills)

    worlds: list[World] = []

    async def main() -> object:
        settings = replace(SETTINGS, poison_limit=3)
        async with calm_world(program(body), workers=1, settings=settings) as world:
            worlds.append(world)
            run_id = await world.submit("p")
            run = await world.until(run_id, RunState.STOPPED)
            assert failure(run) == "Poison" and run.epoch == 4
            deadly[0] = False
            await world.write(Retry(entry_id=EntryId("again"), run_id=run_id))
            return decoded(await world.end_of(run_id))

    assert play(main) == "lived"


def test_a_program_that_this_build_does_not_have_stops_its_run() -> None:
    async def main() -> str:
        async with calm_world(program(echo, "other")) as world:
            run_id = await world.submit("p")
            return failure(await world.until(run_id, RunState.STOPPED))

    assert play(main) == "UnknownProgram"


def test_a_refused_start_of_an_unsafe_step_stops_the_run() -> None:
    # The journal of a run is bounded; the last write that fits is its end.
    async def body() -> object:
        for number in range(MAX_ENTRIES):
            await step(echo, number, effect=Effect.UNSAFE)
        return None

    async def main() -> str:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            return failure(await world.until(run_id, RunState.STOPPED))

    assert play(main) == "Refused"


def test_with_every_bell_lost_polling_is_enough() -> None:
    async def body() -> object:
        await sleep(5)
        return await signal("go")

    async def main() -> object:
        nemesis = Nemesis(0, {Fault.RING_LOST: 1.0})
        async with World({"p": program(body)}, nemesis=nemesis) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(20)
            await world.deliver(run_id, "go", "on")
            return decoded(await world.end_of(run_id, within=30))

    assert play(main) == "on"


def test_an_effect_is_seen_by_the_oracle_with_the_key_that_the_outside_would_see() -> None:
    worlds: list[World] = []

    async def pay() -> str:
        await act(worlds[0], "paid")
        return "paid"

    async def body() -> object:
        return [await step(pay), await step(pay)]

    async def main() -> None:
        async with calm_world(program(body)) as world:
            worlds.append(world)
            run_id = await world.submit("p")
            await world.end_of(run_id)
            assert world.oracle.effects == {"run:pay/0": ["paid"], "run:pay/1": ["paid"]}
            assert sum(isinstance(event, StepDone) for event in await events(world, run_id)) == 2

    play(main)
