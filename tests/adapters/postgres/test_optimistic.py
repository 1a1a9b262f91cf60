"""What one process remembers another may have changed: a statement decided from memory then writes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from tests.adapters.postgres.cutting import Way
from tests.contracts.world import BLUE, GREEN, ManualClock, World, done, submission
from watership.adapters.postgres import PostgresStore
from watership.durable.events import StepDone
from watership.durable.ids import DeploymentId, EntryId, Key, RunId, WorkerId, child_id
from watership.durable.states import RunState
from watership.durable.writes import (
    Cancel,
    Claim,
    Claimed,
    Done,
    Duplicate,
    Expire,
    Finish,
    Park,
    Refused,
    Submit,
    Submitted,
    WriteFenced,
    Yield,
)
from watership.fleet.flags import Flag, pause_flag

ROUNDS = 40


class Two(NamedTuple):
    """Two processes at one database, and the way to it of the first."""

    way: Way
    one: World
    other: World


@pytest.fixture
async def two(url: str) -> AsyncIterator[Two]:
    async with (
        Way(url).open() as way,
        await PostgresStore.open(way.url, writers=1) as one,
        await PostgresStore.open(url) as other,
    ):
        await other.set_weights({GREEN: 100}, epoch=1)
        yield Two(way, World(one, ManualClock()), World(other, ManualClock()))


async def test_submissions_and_appends_are_one_message_each_once_the_process_knows_its_database(
    two: Two,
) -> None:
    run = await two.one.running("a")
    await two.one.append(run, done("s/1"))
    await two.one.submit("first")
    before = two.way.sent
    assert isinstance(await two.one.submit("b"), Submitted)
    assert await two.one.append(run, done("s/2")) == Done()
    assert two.way.sent == before + 2


async def test_a_run_that_another_worker_claimed_meanwhile_is_fenced(two: Two) -> None:
    run = await two.one.running("a")
    assert await two.one.append(run, done("s/1")) == Done()
    assert await two.other.append(run, then=Yield(), entry=EntryId("other")) == Done()
    (claimed,) = await two.other.claim(worker=WorkerId("other"))
    assert await two.one.append(run, done("s/2")) == WriteFenced(current=claimed.run.epoch)
    assert len(await two.one.events("a")) == 1


async def test_a_park_that_has_not_seen_what_another_process_delivered_is_refused(two: Two) -> None:
    run = await two.one.running("a")
    await two.other.outcome(two.other.delivery("a", "x"))
    refused = await two.one.append(run, then=Park(wake_at=None, seen=0))
    assert isinstance(refused, Refused)
    assert refused.code == "inbox"
    await two.other.outcome(Cancel(run_id=run.id))
    refused = await two.one.append(run, then=Park(wake_at=None, seen=1))
    assert isinstance(refused, Refused)
    assert await two.one.state("a") is RunState.RUNNING


async def test_what_another_process_wrote_under_the_same_id_is_a_duplicate(two: Two) -> None:
    run = await two.one.running("a")
    await two.one.append(run, done("s/1"))
    write = two.one.appending(run, done("s/2"))
    assert await two.other.outcome(write) == Done()
    assert await two.one.outcome(write) == Duplicate()
    await two.other.submit("b")
    again = await two.one.submit("b")
    assert isinstance(again, Submitted)
    assert again.existing


async def test_one_outdated_row_keeps_no_other_from_being_written(two: Two) -> None:
    runs = [await two.one.running(name) for name in ("a", "b", "c")]
    await two.other.outcome(two.other.delivery("b", "x"))
    written = await two.one.write(
        two.one.appending(runs[0], done()),
        two.one.appending(runs[1], done(), then=Finish(state=RunState.SUCCEEDED)),
        two.one.appending(runs[2], then=Park(wake_at=None, seen=0)),
    )
    assert written.outcomes == (Done(), Done(), Done())
    states = [await two.one.state(name) for name in ("a", "b", "c")]
    assert states == [RunState.RUNNING, RunState.SUCCEEDED, RunState.WAITING]


async def test_a_message_that_went_into_a_run_is_known_when_it_comes_without_its_conversation(
    two: Two,
) -> None:
    await two.one.running("a", conversation="talk")
    into = await two.other.outcome(submission("m", conversation="talk", when_busy="inject"))
    assert isinstance(into, Submitted) and into.injected
    again = await two.one.submit("m")
    assert isinstance(again, Submitted)
    assert (again.run_id, again.existing) == (RunId("a"), True)


async def test_read_only_holds_for_a_process_that_remembers_otherwise(two: Two) -> None:
    await two.one.submit("a")
    await two.other.store.set_readonly(True)
    refused = await two.one.submit("b")
    assert isinstance(refused, Refused)
    assert refused.code == "read_only"
    await two.other.store.set_readonly(False)
    assert isinstance(await two.one.submit("b"), Submitted)


async def test_a_switch_that_was_armed_elsewhere_runs_out_by_the_databases_clock(two: Two) -> None:
    await two.one.submit("a")
    await two.other.store.set_weights({BLUE: 100}, epoch=2, hold_seconds=0.3, last_safe={GREEN: 100})
    held = await two.one.outcome(submission("b"))
    assert isinstance(held, Submitted)
    assert held.deployment == BLUE
    await asyncio.sleep(0.4)
    safe = await two.one.outcome(submission("c"))
    assert isinstance(safe, Submitted)
    assert safe.deployment == GREEN


async def test_once_weights_are_set_nobody_pins_by_the_old_ones(two: Two) -> None:
    """While one process submits without a pause, the other sends new runs to one deployment after the other."""
    pinned: list[tuple[float, int]] = []
    set_at: list[float] = []
    ended = asyncio.Event()

    async def submit(name: int) -> None:
        count = 0
        while not ended.is_set():
            count += 1
            begun = time.monotonic()
            outcome = await two.one.outcome(submission(f"{name}-{count}"))
            assert isinstance(outcome, Submitted)
            pinned.append((begun, int(outcome.deployment)))

    await two.other.store.set_weights({DeploymentId("0"): 100}, epoch=2)
    async with asyncio.TaskGroup() as group:
        for name in range(4):
            group.create_task(submit(name))
        for number in range(1, ROUNDS):
            await two.other.store.set_weights({DeploymentId(str(number)): 100}, epoch=number + 2)
            set_at.append(time.monotonic())
            await asyncio.sleep(0.02)
        ended.set()
    assert len(pinned) > ROUNDS
    for begun, deployment in pinned:
        assert deployment >= sum(at <= begun for at in set_at)


async def test_a_claim_of_what_a_broker_told_of_is_two_messages(two: Two) -> None:
    for name in ("a", "b", "c"):
        await two.one.submit(name)
    told = [RunId("a")], [RunId("b"), RunId("gone")]
    assert [it.run.id for it in await two.one.claim(runs=tuple(told[0]))] == ["a"]
    before = two.way.sent
    assert [it.run.id for it in await two.one.claim(runs=tuple(told[1]))] == ["b"]
    assert two.way.sent == before + 2


async def test_two_workers_that_are_told_of_the_same_runs_claim_each_once(two: Two) -> None:
    names = [f"r{number:03}" for number in range(60)]
    for name in names:
        await two.one.submit(name)
    taken: list[tuple[RunId, int]] = []

    async def claim(world: World, worker: str) -> None:
        for start in range(0, len(names), 3):
            told = tuple(RunId(name) for name in names[start : start + 4])
            claimed = await world.claim(runs=told, worker=WorkerId(worker))
            taken.extend((it.run.id, it.run.epoch) for it in claimed)

    await asyncio.gather(claim(two.one, "one"), claim(two.other, "other"))
    assert sorted(taken) == [(name, 1) for name in names]


async def test_a_run_with_a_history_is_claimed_with_all_of_it(two: Two) -> None:
    run = await two.one.running("a")
    await two.one.append(run, done("s/1"))
    await two.other.outcome(two.other.delivery("a", "x", value=1))
    await two.one.append(run, done("s/2"), then=Yield())
    await two.one.submit("b")
    (claimed,) = await two.one.claim(runs=(RunId("a"),))
    assert [event.key for event in claimed.events] == ["s/1", "s/2"]
    assert [signal.id for signal in claimed.inbox] == ["x"]


async def test_times_are_the_databases_own_however_late_its_answers_were_heard(two: Two) -> None:
    run = await two.one.running("a")
    await two.one.append(run, done("s/1"))
    answered = asyncio.create_task(two.one.append(run, done("s/2")))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - the answer is there, and this process does not come to hear it
    await answered
    before = await two.other.store.now()
    await two.one.append(run, done("s/3"))
    await two.one.submit("b")
    after = await two.other.store.now()
    *_, entry = await two.other.store.journal(run.id)
    assert before <= entry.at <= after
    assert before <= (await two.other.run("b")).created_at <= after


async def waiting_one(two: Two) -> Claim:
    """A claim that names a run which the broker could have told of; a process looks before it decides it."""
    await two.one.submit("waiting")
    return two.one.claiming(runs=(RunId("waiting"),))


async def test_a_claim_beside_a_submission_does_not_vouch_for_weights_that_are_no_longer_in_force(
    two: Two,
) -> None:
    await two.one.outcome(submission("before"))
    told = await waiting_one(two)
    await two.other.store.set_weights({BLUE: 100}, epoch=2)
    written = await two.one.write(submission("a"), told)
    assert isinstance(written.outcomes[0], Submitted)
    assert written.outcomes[0].deployment == BLUE


async def test_a_claim_beside_a_submission_does_not_vouch_for_a_switch_that_is_read_only(two: Two) -> None:
    told = await waiting_one(two)
    await two.other.store.set_readonly(True)
    written = await two.one.write(submission("a"), told)
    assert isinstance(written.outcomes[0], Refused)
    assert written.outcomes[1] == Claimed(runs=())


async def test_a_claim_beside_a_submission_does_not_vouch_for_a_switch_that_is_armed(two: Two) -> None:
    told = await waiting_one(two)
    await two.other.store.set_weights({BLUE: 100}, epoch=2, hold_seconds=0.2, last_safe={GREEN: 100})
    await asyncio.sleep(0.3)
    written = await two.one.write(submission("a"), told)
    assert isinstance(written.outcomes[0], Submitted)
    assert written.outcomes[0].deployment == GREEN


async def test_what_was_claimed_is_told_though_the_next_write_fails(two: Two) -> None:
    run = await two.one.running("a")
    told = await waiting_one(two)
    broken = StepDone(key=Key("s/1"), name="s", identity="i", value=object())  # type: ignore[arg-type]
    failing = two.other.appending(run, broken, children=[submission("child")])
    written = await two.one.write(told, failing)
    (claimed,) = written.outcomes
    assert isinstance(claimed, Claimed)
    assert [it.run.id for it in claimed.runs] == ["waiting"]
    with pytest.raises(TypeError):
        await two.one.write(failing)


def child_of(parent: RunId, key: str) -> Submit:
    return submission(child_id(parent, Key(key)), parent_key=Key(key))


async def test_many_children_of_one_run_are_counted_once(two: Two) -> None:
    """A run that fans out starts each child in an append of its own; they share a transaction, and its questions."""
    parent = await two.one.running("a")
    await two.one.append(parent, children=[child_of(parent.id, "first")])
    before = two.way.sent
    many = [two.one.appending(parent, children=[child_of(parent.id, f"c/{number}")]) for number in range(100)]
    written = await two.one.write(*many)
    assert written.outcomes == (Done(),) * 100
    assert two.way.sent - before < 20


async def test_a_pause_by_another_process_is_seen_by_the_next_submission_and_the_next_claim(two: Two) -> None:
    first = await two.one.outcome(submission("before"))
    await two.other.store.set_flag(Flag(name=pause_flag("p"), on=True, by="hazel"))
    held = await two.one.outcome(submission("held"))
    assert isinstance(first, Submitted)
    assert isinstance(held, Submitted)
    assert (first.paused, held.paused) == (False, True)
    assert await two.one.claim(runs=(RunId("before"), RunId("held"))) == ()
    await two.other.store.set_flag(Flag(name=pause_flag("p"), on=False, by="hazel"))
    assert len(await two.one.claim(runs=(RunId("before"), RunId("held")))) == 2


async def test_a_deadline_passes_by_the_databases_clock_for_a_run_that_another_process_executes(
    two: Two,
) -> None:
    run = await two.one.running("a", within_seconds=0.001)
    while not await two.other.store.late(limit=10):
        await asyncio.sleep(0.005)
    assert await two.other.outcome(Expire(run_id=run.id)) == Done()
    parked = await two.one.park(run)
    assert isinstance(parked, Refused)
    assert parked.code == "inbox"
    await two.one.finish(run, RunState.FAILED)
    assert await two.other.outcome(Expire(run_id=run.id)) == Duplicate()
