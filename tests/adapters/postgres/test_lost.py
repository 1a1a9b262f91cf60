"""Connections, servers and disks that fail: what was accepted stands, what was not can be given again."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.adapters.postgres.cutting import Way
from tests.contracts.world import GREEN, POOL, done, submission
from watership.adapters.memory.bell import MemoryBell
from watership.adapters.postgres import PostgresSchema, PostgresStore
from watership.adapters.postgres import pool as pools
from watership.adapters.postgres.translation import translation
from watership.durable.clock import SystemClock
from watership.durable.committer import Committer
from watership.durable.ids import EntryId, RunId, WorkerId
from watership.durable.ports import RunFilter
from watership.durable.writes import Append, Claim, Claimed, Done, Duplicate, Submitted
from watership.errors import BadInput, Conflict, NotAllowed, ProgramError, Unavailable
from watership.testing.servers import PostgresServer

CLAIM = Claim(worker=WorkerId("w"), deployment=GREEN, pool=POOL, limit=100, lease_seconds=60, poison_limit=50)


def committer(store: PostgresStore) -> Committer:
    return Committer(store, MemoryBell(), SystemClock())


@pytest.mark.parametrize("moment", ["cut_before", "cut_after"])
async def test_a_commit_whose_outcome_is_unknown_is_given_again_and_counts_once(
    url: str, moment: str
) -> None:
    async with Way(url).open() as way, await PostgresStore.open(way.url) as store:
        async with committer(store) as writes:
            setattr(way, moment, 1)
            submitted = await writes.submit(submission("a", deployment=GREEN))
            assert submitted == Submitted(
                run_id=RunId("a"),
                deployment=GREEN,
                state=submitted.state,
                existing=moment == "cut_after",
            )
            claimed = await writes.write(CLAIM)
            assert isinstance(claimed, Claimed)
            run = claimed.runs[0].run
            append = Append(entry_id=EntryId("e"), run_id=run.id, epoch=run.epoch, events=(done(),))
            setattr(way, moment, 1)
            assert await writes.write(append) == (Duplicate() if moment == "cut_after" else Done())
        assert way.cuts == 2
        assert [entry.seq for entry in await store.journal(RunId("a"))] == [1]
        assert (await store.list(RunFilter())).total_count == 1


async def test_a_claim_that_was_committed_and_not_told_leaves_the_runs_to_their_lease(url: str) -> None:
    async with Way(url).open() as way, await PostgresStore.open(way.url) as store, committer(store) as writes:
        await writes.submit(submission("a", deployment=GREEN))
        way.cut_after = 1
        assert await writes.write(CLAIM) == Claimed(runs=())
        run = await store.get(RunId("a"))
        assert run is not None
        assert (run.lease_owner, run.epoch) == ("w", 1)


async def test_whoever_finds_no_free_connection_in_time_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "WAIT_SECONDS", 0.2)
    async with await PostgresStore.open(url, writers=1) as store:
        other = await asyncpg.connect(url)
        await store.write([submission("a", deployment=GREEN)])
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT id FROM runs FOR UPDATE")
        waiting = asyncio.create_task(
            store.write([Append(entry_id=EntryId("e"), run_id=RunId("a"), epoch=0)])
        )
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable, match="busy"):
            await store.write([submission("b", deployment=GREEN)])
        await transaction.rollback()
        await waiting
        await other.close()


async def test_a_cancelled_write_leaves_no_lock_behind(url: str) -> None:
    async with await PostgresStore.open(url, writers=1) as store:
        await store.write([submission("a", deployment=GREEN)])
        other = await asyncpg.connect(url)
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT id FROM runs FOR UPDATE")
        append = Append(entry_id=EntryId("e"), run_id=RunId("a"), epoch=0)
        waiting = asyncio.create_task(store.write([append]))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await transaction.rollback()
        await other.close()
        async with asyncio.timeout(5):
            await store.write([append])


async def test_accepted_runs_outlive_kills_and_restarts_under_load() -> None:
    with PostgresServer() as server:
        await PostgresSchema(server.url).upgrade()
        accepted: set[str] = set()
        async with await PostgresStore.open(server.url) as store, committer(store) as writes:
            stop = asyncio.Event()

            async def accept(number: int) -> None:
                count = 0
                while not stop.is_set():
                    run_id = f"r{number}-{count}"
                    count += 1
                    try:
                        await writes.submit(submission(run_id, deployment=GREEN))
                    except Unavailable:
                        continue
                    accepted.add(run_id)

            async with asyncio.TaskGroup() as group:
                for number in range(8):
                    group.create_task(accept(number))
                for end in (server.kill, server.stop):
                    await asyncio.sleep(0.5)
                    await asyncio.to_thread(end)
                    await asyncio.to_thread(server.start)
                before = len(accepted)
                async with asyncio.timeout(20):
                    while len(accepted) < before + 50:
                        await asyncio.sleep(0.05)
                stop.set()
            page = await store.list(RunFilter(), limit=1_000_000)
            assert accepted <= {run.id for run in page.runs}


async def test_a_schema_that_is_not_there_is_not_made_by_the_way(postgres_url: str) -> None:
    with pytest.raises(Conflict, match="watership db upgrade"):
        await PostgresStore.open(postgres_url)


async def test_a_value_that_text_cannot_hold_fails_alone(url: str) -> None:
    async with await PostgresStore.open(url) as store, committer(store) as writes:
        good = [writes.enqueue(submission(f"r{n}", deployment=GREEN)) for n in range(3)]
        bad = writes.enqueue(submission("nul", deployment=GREEN, tenant="\0"))
        for each in good:
            assert isinstance(await each, Submitted)
        with pytest.raises(BadInput):
            await bad


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("53100", Unavailable), ("53300", Unavailable), ("57P01", Unavailable), ("25006", Unavailable),
        ("40P01", Unavailable), ("08006", Unavailable), ("28P01", NotAllowed), ("22021", BadInput),
        ("42P01", ProgramError),
    ],
)  # fmt: skip
def test_what_the_server_says_becomes_an_error_of_ours(state: str, error: type[Exception]) -> None:
    reason = asyncpg.PostgresError.new({"C": state, "M": "no", "S": "ERROR"})
    assert type(translation(reason)) is error


async def test_what_runs_out_at_the_server_is_unavailable() -> None:
    """As a full disk is (53100), which no test can make everywhere: here it is room for temporary files."""
    with PostgresServer(conf={"temp_file_limit": "0"}) as server:
        connection = await asyncpg.connect(server.url)
        with pytest.raises(asyncpg.PostgresError) as caught:
            await connection.fetch(
                "SELECT n FROM generate_series(1, 1000000) AS n ORDER BY n DESC OFFSET 999999"
            )
        assert isinstance(translation(caught.value), Unavailable)
        await connection.close()


async def test_a_session_that_does_not_come_to_have_its_settings_is_cut(url: str) -> None:
    with pytest.raises(ProgramError):
        await pools.connect(url, name="unset", settings={"no_such_setting": "1"})
    async with asyncio.timeout(10):
        session = await pools.connect(url, name="looking")
        while await session.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'unset'"
        ):
            await asyncio.sleep(0.05)
    await pools.part(session)
