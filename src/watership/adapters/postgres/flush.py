"""A flush writes everything that a sheet changed: what is frequent as one statement, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from watership.adapters.ledger.columns import (
    Row,
    birth_of,
    intake_row,
    micros,
    micros_or_null,
    place_of,
    progress_of,
)
from watership.adapters.postgres.arrays import literal, texts
from watership.adapters.postgres.loading import Connection
from watership.adapters.postgres.parts import (
    ADDED,
    APPENDED,
    JOURNALED,
    MOVED,
    POSTED,
    PROGRESSED,
    SIGNALLED,
    Part,
    Update,
    composed,
    kind_of,
)
from watership.adapters.postgres.sheet import Sheet

_PUT_REQUESTS = """
INSERT INTO requests (scope, key, hash, run_id, at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
ON CONFLICT (scope, key) DO UPDATE SET hash = excluded.hash, run_id = excluded.run_id, at = excluded.at"""
_PUT_COUNTS = """
UPDATE counters SET reserved = new.reserved, spent = new.spent
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS new(name, reserved, spent) WHERE counters.name = new.name"""
_PUT_INJECTIONS = "INSERT INTO injections (submission, run_id) SELECT * FROM unnest($1::text[], $2::text[])"
_PUT_WORKER = """
INSERT INTO workers (id, deployment, pool, slots, seen_at, database_started)
VALUES ($1, $2, $3, $4, $5, pg_postmaster_start_time()) ON CONFLICT (id) DO UPDATE
SET deployment = excluded.deployment, pool = excluded.pool, slots = excluded.slots, seen_at = excluded.seen_at,
  database_started = excluded.database_started"""
_DROP_WORKER = "DELETE FROM workers WHERE id = $1"
_FORGET_WORKERS = "DELETE FROM workers WHERE seen_at <= $1"
# Two transactions may see at once that the switch ran out, and write the same: the second changes nothing.
_PUT_INTAKE = """
UPDATE intake SET weights = $1, epoch = $2, until = $3, last_safe = $4, readonly = $5, paused = $6 WHERE epoch = $7"""
# Sorted by age, which has an index; what another transaction is removing already is left to it.
_FORGET_REQUESTS = """
DELETE FROM requests WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM requests WHERE at <= $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))"""


Parts = Sequence[tuple[Part, Sequence[Row]]]


class Flushed(NamedTuple):
    """A letter's number in the outbox, if there was one, and the database's time in microseconds."""

    number: int | None
    at: int


async def flush(db: Connection, sheet: Sheet, letter: Row | None = None) -> int | None:
    """Write what was changed, on rows that are locked. With a letter, its number in the outbox."""
    await _flush_books(db, sheet)
    parts = _filled(sheet, letter)
    if not parts:
        return None
    statement = composed([part for part, _ in parts])
    return (await _fetch(db, statement, *_arguments(parts), _to_meet(parts))).number


async def flush_unlocked(
    db: Connection,
    sheet: Sheet,
    letter: Row | None,
    *,
    submitted: Sequence[str] | None,
    decided_at: datetime | None,
) -> Flushed:
    """Write what was changed as one statement, on rows that nobody has locked: if they are as the sheet has them.

    With `submitted`, the ids of new runs and perhaps none, the intake's row must be so too, and stays so until the
    commit. Where anything is otherwise the statement fails, with what `translation.again` knows. The times that it
    writes are the database's, where `decided_at` is given instead of that time.
    """
    assert not sheet.has_new_books
    held: tuple[object, ...] = ()
    if submitted is not None:
        weights, epoch, until, _, readonly, paused = intake_row(sheet.intake())
        assert until is None, "the time at which a switch runs out is the database's to tell"
        held = (weights, epoch, readonly, paused, texts(submitted))
    parts = _filled(sheet, letter)
    statement = composed([part for part, _ in parts], held=bool(held), unlocked=True)
    to_meet = _to_meet(parts) + bool(held)
    return await _fetch(db, statement, *held, *_arguments(parts), to_meet, micros_or_null(decided_at))


async def _fetch(db: Connection, statement: str, *arguments: object) -> Flushed:
    (told,) = await db.fetch(statement, *arguments)
    return Flushed(told[0], told[1])


def _arguments(parts: Parts) -> list[str]:
    return [
        literal(kind_of(name))(column)
        for part, rows in parts
        for name, column in zip(part.columns, zip(*rows, strict=True), strict=True)
    ]


def _to_meet(parts: Parts) -> int:
    return sum(len(rows) for part, rows in parts if isinstance(part, Update))


def _filled(sheet: Sheet, letter: Row | None) -> Parts:
    """The parts that have rows, each with its rows."""
    new, moved, stayed = sheet.take_changes()
    entries, signals, appends = sheet.take_journals()
    everything: Parts = (
        (ADDED, [(*birth_of(run), *place_of(run), *progress_of(run), bytes(run.input)) for run in new]),
        (MOVED, [(run.id, revision, *place_of(run), *progress_of(run)) for run, revision in moved]),
        (PROGRESSED, [(run.id, revision, *progress_of(run)) for run, revision in stayed]),
        (JOURNALED, entries),
        (SIGNALLED, signals),
        (APPENDED, appends),
        (POSTED, [letter] if letter is not None else []),
    )
    return [(part, rows) for part, rows in everything if rows]


async def _flush_books(db: Connection, sheet: Sheet) -> None:
    """What is rare: each kind for itself."""
    if sheet.new_requests:
        rows = [(it.scope, it.key, it.hash, it.run_id, micros(it.at)) for it in sheet.new_requests.values()]
        await db.fetch(_PUT_REQUESTS, *zip(*rows, strict=True))
        sheet.new_requests.clear()
    if (
        sheet.requests_before is not None
    ):  # after the new ones: no key is then waited for while others are held
        before, limit = sheet.requests_before
        await db.fetch(_FORGET_REQUESTS, micros(before), limit)
        sheet.requests_before = None
    if sheet.new_injections:
        await db.fetch(_PUT_INJECTIONS, list(sheet.new_injections), list(sheet.new_injections.values()))
        sheet.new_injections.clear()
    if sheet.new_counters:
        counts = [(it.name, it.reserved, it.spent) for it in sheet.new_counters.values()]
        await db.fetch(_PUT_COUNTS, *zip(*counts, strict=True))
        sheet.new_counters.clear()
    for worker, heard in sorted(sheet.workers.items()):
        if heard is None:
            await db.fetch(_DROP_WORKER, worker)
        else:
            last, seen_at = heard
            await db.fetch(_PUT_WORKER, worker, last.deployment, last.pool, last.slots, micros(seen_at))
    sheet.workers.clear()
    if sheet.workers_before is not None:
        await db.fetch(_FORGET_WORKERS, micros(sheet.workers_before))
        sheet.workers_before = None
    if len(sheet.intakes) > 1:
        await db.fetch(_PUT_INTAKE, *intake_row(sheet.intakes[-1]), sheet.intakes[0].epoch)
        del sheet.intakes[:-1]
