"""The schema goes forward and back, once however many ask, and nobody works on another build's."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.contracts.world import GREEN, submission
from watership.adapters.postgres import PostgresSchema, PostgresStore
from watership.adapters.postgres.schema import SCHEMA
from watership.errors import BadInput, Conflict

_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_versions'"


async def tables(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(_TABLES))
    finally:
        await connection.close()


async def test_it_goes_forward_and_back_to_nothing_and_forward_again(postgres_url: str) -> None:
    schema = PostgresSchema(postgres_url)
    assert (await schema.status()).present == 0
    assert (await schema.upgrade()).fits
    assert (await schema.upgrade()).present == SCHEMA.highest
    assert await tables(postgres_url) == 13
    assert (await schema.downgrade(0)).present == 0
    assert await tables(postgres_url) == 0
    await schema.upgrade()
    async with await PostgresStore.open(postgres_url) as store:
        await store.write([submission("a", deployment=GREEN)])


async def test_many_at_once_migrate_once(postgres_url: str) -> None:
    done = await asyncio.gather(*(PostgresSchema(postgres_url).upgrade() for _ in range(5)))
    assert {status.present for status in done} == {SCHEMA.highest}


async def test_the_schema_of_a_newer_build_is_left_alone(postgres_url: str) -> None:
    schema = PostgresSchema(postgres_url)
    await schema.upgrade()
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("INSERT INTO schema_versions (version) VALUES (99)")
    await connection.close()
    for act in (schema.upgrade(), schema.downgrade(0), PostgresStore.open(postgres_url)):
        with pytest.raises(Conflict, match="99"):
            await act
    with pytest.raises(BadInput):
        await schema.downgrade(-1)
