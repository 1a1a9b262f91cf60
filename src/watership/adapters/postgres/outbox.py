"""The outbox on PostgreSQL: letters that were committed with the runs, until the broker has confirmed them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watership.adapters.postgres.pool import Pool
from watership.durable.outbox import Letter, Posted

TAKEN_SECONDS = 10.0
"""How long a letter that was handed to a relay is given to no other: longer than a broker takes to confirm."""

_MICROS = 1_000_000
_letter = msgspec.json.Decoder(Letter)
_OVERDUE = """
WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now)
UPDATE outbox SET taken_until = clock.now + $3 FROM clock WHERE number = ANY(ARRAY(
  SELECT number FROM outbox, clock WHERE written_at <= clock.now - $1 AND taken_until <= clock.now
  ORDER BY number LIMIT $2 FOR UPDATE OF outbox SKIP LOCKED))
RETURNING number, letter"""
_DISCARD = "DELETE FROM outbox WHERE number = ANY($1::bigint[])"
_WAITING = "SELECT count(*) FROM outbox"


class PostgresOutbox:
    """An Outbox beside the runs. The age of a letter is told by the database's clock."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def overdue(self, seconds: float, limit: int) -> Sequence[Posted]:
        ages = int(seconds * _MICROS), limit, int(TAKEN_SECONDS * _MICROS)
        async with self._pool.session() as db:
            rows = await db.fetch(_OVERDUE, *ages)
        return [
            Posted(number=number, letter=_letter.decode(body)) for number, body in sorted(map(tuple, rows))
        ]

    async def discard(self, numbers: Sequence[int]) -> None:
        if numbers:
            async with self._pool.session() as db:
                await db.execute(_DISCARD, numbers)

    async def waiting(self) -> int:
        async with self._pool.session() as db:
            return int(await db.fetchval(_WAITING))
