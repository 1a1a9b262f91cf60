"""Several stores write to one database at once: nothing is lost, nothing is had twice, every journal is dense."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from random import Random

from tests.contracts.test_stores_agree import Author, one_turn_at_a_time, sound
from tests.contracts.world import GREEN, POOL, ManualClock, done, raw, submission
from watership.adapters.postgres import PostgresStore
from watership.durable.ids import EntryId, RunId, SignalId, WorkerId, random_ids
from watership.durable.ports import RunFilter
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import (
    Append,
    Claim,
    Claimed,
    Dedup,
    Deliver,
    Done,
    Finish,
    Park,
    Submit,
    Submitted,
    Write,
    Written,
)
from watership.errors import Unavailable

RUNS = 300
STEPS = 3
new_id = random_ids()


def claim(worker: str, limit: int) -> Claim:
    return Claim(
        worker=WorkerId(worker),
        deployment=GREEN,
        pool=POOL,
        limit=limit,
        lease_seconds=60,
        poison_limit=5,
    )


def append(run: Run, step: int) -> Append:
    then = Finish(state=RunState.SUCCEEDED, result=raw(run.id)) if step == STEPS - 1 else None
    return Append(
        entry_id=EntryId(new_id()), run_id=run.id, epoch=run.epoch, events=(done(f"s/{step}"),), then=then
    )


async def work(store: PostgresStore, name: str, taken: Counter[tuple[RunId, int]], ended: set[RunId]) -> None:
    """Claim, three steps, the end; until all runs have ended."""
    while len(ended) < RUNS:
        (claimed,) = (await store.write([claim(name, 16)])).outcomes
        assert isinstance(claimed, Claimed)
        runs = [each.run for each in claimed.runs]
        taken.update((run.id, run.epoch) for run in runs)
        for step in range(STEPS if runs else 0):
            written = await store.write([append(run, step) for run in runs])
            assert set(written.outcomes) == {Done()}
        ended.update(run.id for run in runs)
        if not runs:
            await asyncio.sleep(0.005)


async def accept(store: PostgresStore, number: int) -> None:
    """Submissions, each twice, some of them turns of a conversation."""
    for first in range(number, RUNS, 40):
        batch = [
            submission(
                f"r{n}", deployment=GREEN, conversation=None if n % 3 else f"c{n % 4}",
                dedup=Dedup(scope="s", key=f"k{n}", request="q"),
            )
            for n in range(first, min(first + 20, RUNS))
        ]  # fmt: skip
        for _ in range(2):
            outcomes = (await store.write(batch)).outcomes
            assert all(isinstance(outcome, Submitted) for outcome in outcomes)


async def test_two_stores_share_the_runs_and_each_is_done_once(url: str) -> None:
    taken: Counter[tuple[RunId, int]] = Counter()
    ended: set[RunId] = set()
    async with await PostgresStore.open(url) as one, await PostgresStore.open(url) as two:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for store, number in ((one, 0), (two, 20), (two, 0), (one, 20)):
                group.create_task(accept(store, number))
            for number, store in enumerate((one, two, one, two)):
                group.create_task(work(store, f"w{number}", taken, ended))
        page = await one.list(RunFilter(), limit=RUNS + 1)
        assert page.total_count == RUNS
        assert {run.state for run in page.runs} == {RunState.SUCCEEDED}
        assert set(taken.values()) == {1}
        assert len(taken) == RUNS
        for run in page.runs:
            assert [entry.seq for entry in await two.journal(run.id)] == [1, 2, 3, 4]
            assert run.result == raw(run.id)


async def test_only_one_of_many_at_once_gets_a_key_an_id_and_a_turn(url: str) -> None:
    async with await PostgresStore.open(url) as one, await PostgresStore.open(url) as two:
        stores = (one, two) * 4

        async def at_once(*writes: Submit) -> Counter[object]:
            written: list[Written] = await asyncio.gather(
                *(store.write([write]) for store, write in zip(stores, writes, strict=True))
            )
            return Counter(
                outcome.existing if isinstance(outcome, Submitted) else outcome.code  # type: ignore[union-attr]
                for each in written
                for outcome in each.outcomes
            )

        dedup = Dedup(scope="s", key="k", request="q")
        same_key = [submission(f"k{n}", deployment=GREEN, dedup=dedup) for n in range(8)]
        assert await at_once(*same_key) == {False: 1, True: 7}
        assert await at_once(*[submission("same", deployment=GREEN)] * 8) == {False: 1, True: 7}
        turns = [
            submission(f"t{n}", deployment=GREEN, conversation="c", when_busy="reject") for n in range(8)
        ]
        assert await at_once(*turns) == {False: 1, "conversation_busy": 7}


async def test_signals_of_many_writers_are_numbered_without_a_gap_and_wake_a_run_that_parks(url: str) -> None:
    async with await PostgresStore.open(url) as one, await PostgresStore.open(url) as two:
        await one.write([submission("a", deployment=GREEN)])
        (claimed,) = (await one.write([claim("w", 1)])).outcomes
        assert isinstance(claimed, Claimed)
        run = claimed.runs[0].run
        park = Append(entry_id=EntryId("p"), run_id=run.id, epoch=run.epoch, then=Park(wake_at=None, seen=0))
        writes: list[list[Write]] = [
            [Deliver(signal_id=SignalId(f"g{n % 20}"), run_id=run.id, name="n")] for n in range(40)
        ]
        batches: list[list[Write]] = [[park], *writes]
        await asyncio.gather(*((one, two)[n % 2].write(batch) for n, batch in enumerate(batches)))
        assert [signal.number for signal in await one.inbox(run.id)] == list(range(1, 21))
        # Whichever came first: the park was refused, or the next signal woke the run.
        after = await two.get(run.id)
        assert after is not None
        assert after.state in {RunState.RUNNING, RunState.READY}


async def test_whatever_is_written_at_once_in_whatever_order_every_run_stays_sound(url: str) -> None:
    """Random writes of all kinds from four sides, batches that name the same runs in any order."""
    clock = ManualClock()

    async def side(store: PostgresStore, seed: int) -> None:
        author, random = Author(seed), Random(seed)
        for _ in range(40):
            clock.go_on(random.choice((0, 0, 1, 5)))
            runs = {run.id: run for run in (await store.list(RunFilter(), limit=100)).runs}
            writes = [author.invent(runs, clock) for _ in range(random.choice((1, 4, 12)))]
            while True:
                with suppress(Unavailable):  # as the committer does: it waited for too long behind others
                    await store.write(writes)
                    break

    async with (
        await PostgresStore.open(url, clock=clock) as one,
        await PostgresStore.open(url, clock=clock) as two,
    ):
        await one.set_weights({GREEN: 100}, epoch=1)
        async with asyncio.timeout(90):
            await asyncio.gather(*(side((one, two)[seed % 2], seed) for seed in range(4)))
        runs = {run.id: run for run in (await one.list(RunFilter(), limit=1_000)).runs}
        assert len(runs) > 1
        for run in runs.values():
            sound(run, runs, [entry.event for entry in await two.journal(run.id)])
            assert [signal.number for signal in await two.inbox(run.id)] == list(range(1, run.inbox + 1))
        one_turn_at_a_time(runs)
