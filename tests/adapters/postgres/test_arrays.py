"""An array that goes as text comes back as it was."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from watership.adapters.postgres.arrays import blobs, numbers, texts

TEXTS = ["", "a", 'a"b', "a\\", '\\"', "{x,y}", " ", "NULL", "null", "§ ü 漢", "a,b", "\n\t", '","']


async def test_what_is_written_is_read_again(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        columns: list[Sequence[str | None]] = [[], TEXTS, [*TEXTS, None], [None], ["plain", "texts"]]
        for column in [*columns, *([text] for text in TEXTS)]:
            assert await connection.fetchval("SELECT $1::text::text[]", texts(column)) == column
        for values in ([], [1, -2, 2**62], [None, 3]):
            assert await connection.fetchval("SELECT $1::text::bigint[]", numbers(values)) == values
        truths = [True, False, None]
        assert await connection.fetchval("SELECT $1::text::boolean[]", numbers(truths)) == truths
        for parts in ([], [b"", b'\x00\xff\\"{}', None]):
            assert await connection.fetchval("SELECT $1::text::bytea[]", blobs(parts)) == parts
    finally:
        await connection.close()
