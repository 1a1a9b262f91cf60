"""The outbox as relays use it: take what is overdue, one relay at a time; take out what is confirmed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watership.adapters.postgres.loading import NOW
from watership.adapters.postgres.pool import Session
from watership.durable.outbox import Letter, Posted

TAKEN_SECONDS = 30.0
"""How long a letter that was handed out is left to whoever took it: longer than any confirm is waited for."""

_OVERDUE = f"""
UPDATE outbox SET taken_until = {NOW} + $3 WHERE number IN (
  SELECT number FROM outbox WHERE written_at <= {NOW} - $1 AND taken_until <= {NOW}
  ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING number, letter"""  # noqa: S608
_DISCARD = "DELETE FROM outbox WHERE number = ANY($1::bigint[])"
_MICROSECONDS = 1_000_000

_letters = msgspec.json.Decoder(Letter)


async def overdue(db: Session, seconds: float, limit: int) -> Sequence[Posted]:
    """Letters of more than `seconds` ago, oldest first; they are the caller's for TAKEN_SECONDS."""
    rows = await db.fetch(_OVERDUE, int(seconds * _MICROSECONDS), limit, int(TAKEN_SECONDS * _MICROSECONDS))
    letters = [Posted(number=number, letter=_letters.decode(letter)) for number, letter in rows]
    return sorted(letters, key=lambda posted: posted.number)


async def discard(db: Session, numbers: Sequence[int]) -> None:
    await db.execute(_DISCARD, list(numbers))


async def waiting(db: Session) -> int:
    return int(await db.fetchval("SELECT count(*) FROM outbox"))
