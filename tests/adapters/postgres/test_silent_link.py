"""A link to PostgreSQL can die without a word: whoever waits is told in time, and the next connection is a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from watership.adapters.postgres.pool import Pool
from watership.errors import Unavailable
from watership.testing.link import Link

SECONDS = 0.5
SOON = 10.0


@pytest.fixture
def link(postgres_url: str) -> Iterator[Link]:
    port = urlsplit(postgres_url).port
    assert port is not None
    with Link("127.0.0.1", port) as link:
        yield link


def pool_through(link: Link, url: str) -> Pool:
    where = urlsplit(url)
    by_way = where._replace(netloc=f"{where.username}@127.0.0.1:{link.port}").geturl()
    return Pool(by_way, size=1, name="test", session_seconds=SECONDS)


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
