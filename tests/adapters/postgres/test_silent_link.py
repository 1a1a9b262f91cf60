"""A link to PostgreSQL can die without a word: whoever waits is told in time, and the next connection is a new one."""

from __future__ import annotations

import asyncio

import pytest

from tests.adapters.postgres.ways import by_way
from tests.contracts.postgres import emptied
from tests.contracts.world import GREEN, submission
from watership.adapters.memory.bell import MemoryBell
from watership.adapters.postgres import PostgresStore
from watership.adapters.postgres import store as stores
from watership.adapters.postgres.pool import CONNECT_SECONDS, Pool
from watership.adapters.postgres.writer import WRITE_SECONDS
from watership.durable.clock import SystemClock
from watership.durable.committer import RETRY_FOR, Committer
from watership.durable.ids import RunId
from watership.durable.lease import LEASE_SECONDS
from watership.errors import Unavailable
from watership.testing.link import Link

SECONDS = 0.5
SOON = 10.0


def pool_through(link: Link, url: str) -> Pool:
    return Pool(by_way(link, url), size=1, name="test", session_seconds=SECONDS)


async def test_a_query_that_is_never_answered_ends_and_its_place_is_free_again(
    link: Link, postgres_url: str
) -> None:
    pool = pool_through(link, postgres_url)
    async with asyncio.timeout(SOON), pool.session() as session:
        assert await session.fetchval("SELECT 1") == 1
    link.become(half_open=True)
    async with asyncio.timeout(SOON):
        with pytest.raises(Unavailable):
            async with pool.session() as session:
                await session.fetchval("SELECT 2")
    link.become()
    async with asyncio.timeout(SOON), pool.session() as session:
        assert await session.fetchval("SELECT 3") == 3
    await pool.close()


async def test_a_transaction_whose_commit_is_never_answered_ends(link: Link, postgres_url: str) -> None:
    pool = pool_through(link, postgres_url)
    async with asyncio.timeout(SOON):
        with pytest.raises(Unavailable):
            async with pool.session() as session:
                await session.execute("BEGIN")
                link.become(half_open=True)
                try:
                    async with asyncio.timeout(SECONDS / 3):
                        await session.execute("COMMIT")
                except TimeoutError:
                    await session.execute("ROLLBACK")  # as the store does, and nobody answers that either
    link.become()
    async with asyncio.timeout(SOON), pool.session() as session:
        assert not session.is_in_transaction()
    await pool.close()


async def test_what_was_written_into_dead_links_is_written_by_the_next_one_while_the_committer_tries(
    link: Link, postgres_url: str
) -> None:
    await emptied(postgres_url)
    async with (
        await PostgresStore.open(by_way(link, postgres_url)) as store,
        Committer(store, MemoryBell(), SystemClock()) as writes,
    ):
        # Both connections that write are made, and idle.
        await asyncio.gather(*(store.ping() for _ in range(stores.WRITERS)))
        link.become(half_open=True)
        submitting = asyncio.create_task(writes.submit(submission("a", deployment=GREEN)))
        await asyncio.sleep(WRITE_SECONDS / 2)
        link.become()  # what was open stays dead
        async with asyncio.timeout(RETRY_FOR):
            assert (await submitting).run_id == RunId("a")


async def test_a_flag_that_is_set_over_a_dead_link_is_refused_as_soon_as_a_write_is(
    link: Link, postgres_url: str
) -> None:
    await emptied(postgres_url)
    async with await PostgresStore.open(by_way(link, postgres_url)) as store:
        await store.ping()
        link.become(half_open=True)
        async with asyncio.timeout(WRITE_SECONDS + 2.0):
            with pytest.raises(Unavailable):
                await store.set_readonly(True)


def test_a_committer_outlasts_one_dead_link_and_its_last_try_ends_within_a_lease() -> None:
    one_try = CONNECT_SECONDS + WRITE_SECONDS
    assert one_try < RETRY_FOR
    assert RETRY_FOR + one_try < LEASE_SECONDS
