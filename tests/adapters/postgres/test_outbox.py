"""What a transaction has for the broker is committed with it, and given to one relay at a time."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from tests.contracts.world import GREEN, POOL, WORKER, ManualClock, World, done, raw, submission
from watership.adapters.postgres import PostgresStore
from watership.durable.ids import Key, RunId
from watership.durable.outbox import Wakeup
from watership.durable.states import RunState
from watership.durable.writes import Bury, Claimed, Finish


async def opened(url: str, clock: ManualClock, *tell: RunState) -> World:
    return World(await PostgresStore.open(url, clock=clock, outbox=True, tell=frozenset(tell)), clock)


async def test_runs_that_became_ready_are_told_in_one_letter_by_their_queues(url: str) -> None:
    world = await opened(url, ManualClock())
    written = await world.write(
        submission("a", deployment=GREEN), submission("b", deployment=GREEN),
        submission("c", deployment=GREEN, priority=2),
    )  # fmt: skip
    (posted,) = written.posted
    assert posted.letter.wakeups == (
        Wakeup(deployment=GREEN, pool=POOL, priority=1, runs=(RunId("a"), RunId("b"))),
        Wakeup(deployment=GREEN, pool=POOL, priority=2, runs=(RunId("c"),)),
    )
    assert not posted.letter.moved
    await world.store.close()


async def test_a_run_that_is_claimed_in_the_transaction_that_made_it_is_not_told_of(url: str) -> None:
    world = await opened(url, ManualClock())
    written = await world.write(submission("a", deployment=GREEN), world.claiming())
    assert isinstance(written.outcomes[1], Claimed)
    assert written.posted == ()
    await world.store.close()


async def test_a_steps_result_is_told_once_where_the_step_has_a_topic(url: str) -> None:
    world = await opened(url, ManualClock(), RunState.FAILED)
    await world.submit("a")
    (run,) = (claimed.run for claimed in await world.claim())
    told = done("announce/0", {"round": 1})
    write = world.appending(run, done("step/0"), replace(told, topic="brainstorm.round"))
    (posted,) = (await world.write(write)).posted
    (said,) = posted.letter.announced
    assert (said.topic, said.value, said.run_id, said.seq) == (
        "brainstorm.round",
        raw({"round": 1}),
        run.id,
        2,
    )
    assert (await world.write(write)).posted == ()  # the answer was lost on the way, and it is asked again
    stale = replace(run, epoch=run.epoch - 1)
    assert (await world.write(world.appending(stale, replace(told, key=Key("b"), topic="t")))).posted == ()
    await world.store.close()


async def test_a_step_with_a_topic_is_not_told_of_where_nothing_is(url: str) -> None:
    world = await opened(url, ManualClock())
    await world.submit("a")
    (run,) = (claimed.run for claimed in await world.claim())
    assert (await world.write(world.appending(run, replace(done(), topic="t")))).posted == ()
    await world.store.close()


async def test_an_end_is_told_where_somebody_asked_for_the_result_or_for_the_state(url: str) -> None:
    world = await opened(url, ManualClock(), RunState.FAILED)
    await world.submit("asked", reply_to="queue")
    await world.submit("failing")
    await world.submit("silent")
    asked, failing, silent = (claimed.run for claimed in await world.claim())
    assert (await world.write(world.appending(asked, done()))).posted == ()
    ends = [
        world.appending(run, then=Finish(state=state, result=raw(run.id)))
        for run, state in (
            (asked, RunState.SUCCEEDED), (failing, RunState.FAILED), (silent, RunState.SUCCEEDED),
        )
    ]  # fmt: skip
    (posted,) = (await world.write(*ends)).posted
    told = [(moved.run_id, moved.state, moved.reply_to, moved.seq) for moved in posted.letter.moved]
    assert told == [("asked", RunState.SUCCEEDED, "queue", 2), ("failing", RunState.FAILED, "", 1)]
    assert posted.letter.moved[0].result == raw("asked")
    await world.store.close()


async def test_what_a_dead_worker_held_is_told_of(url: str) -> None:
    world = await opened(url, ManualClock())
    await world.running("a")
    (posted,) = (await world.write(Bury(worker=WORKER))).posted
    assert posted.letter.wakeups[0].runs == (RunId("a"),)
    await world.store.close()


async def test_a_letter_is_given_to_one_relay_until_it_is_discarded(url: str) -> None:
    async with await PostgresStore.open(url, outbox=True) as one, await PostgresStore.open(url) as two:
        written = [await one.write([submission(f"r{n}", deployment=GREEN)]) for n in range(4)]
        letters = [posted for each in written for posted in each.posted]
        assert await one.outbox.overdue(60.0, 10) == []
        shares = await asyncio.gather(one.outbox.overdue(0.0, 2), two.outbox.overdue(0.0, 2))
        assert sorted((it for share in shares for it in share), key=lambda it: it.number) == letters
        assert await two.outbox.overdue(0.0, 10) == []
        assert await two.outbox.waiting() == 4
        numbers = [it.number for it in letters]
        await two.outbox.discard(numbers[:3])
        await one.outbox.discard(numbers[:3])
        assert await one.outbox.waiting() == 1


async def test_a_store_without_an_outbox_leaves_no_letters(url: str) -> None:
    async with await PostgresStore.open(url) as store:
        assert (await store.write([submission("a", deployment=GREEN, reply_to="queue")])).posted == ()
        assert await store.outbox.waiting() == 0
