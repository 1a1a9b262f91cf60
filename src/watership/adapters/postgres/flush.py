"""A flush writes everything that a sheet changed: what is frequent as one statement, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from watership.adapters.ledger.columns import (
    BIRTH,
    PLACE,
    PROGRESS,
    Row,
    birth_of,
    intake_row,
    micros,
    place_of,
    progress_of,
)
from watership.adapters.postgres.arrays import Literal, literal
from watership.adapters.postgres.loading import Connection
from watership.adapters.postgres.sheet import Sheet

TYPES = {
    "priority": "integer",
    "depth": "integer",
    "created_at": "bigint",
    "wake_at": "bigint",
    "lease_until": "bigint",
    "epoch": "bigint",
    "cancel_requested": "boolean",
    "waits": "bytea",
    "result": "bytea",
    "failure": "bytea",
    "seq": "integer",
    "inbox": "integer",
    "claims": "integer",
    "updated_at": "bigint",
    "input": "bytea",
    "at": "bigint",
    "version": "integer",
    "event": "bytea",
    "number": "integer",
    "value": "bytea",
    "written_at": "bigint",
    "letter": "bytea",
}
"""The types of columns that are not text."""


class Part(NamedTuple):
    """One table's share of a flush: `{}` stands for the rows, given as an array for each column."""

    name: str
    statement: str
    columns: tuple[str, ...]
    literals: tuple[Literal, ...]


def _insert(table: str, *columns: str, returning: str = "") -> Part:
    listed = ", ".join(columns)
    statement = f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {{}}{returning}"  # noqa: S608
    return _part(f"into_{table}", statement, columns)


def _part(name: str, statement: str, columns: tuple[str, ...]) -> Part:
    return Part(name, statement, columns, tuple(literal(TYPES.get(column, "text")) for column in columns))


def _update(name: str, *columns: str) -> Part:
    changes = ", ".join(f"{column} = new.{column}" for column in columns) + ", revision = runs.revision + 1"
    return _part(name, f"UPDATE runs SET {changes} FROM {{}} WHERE runs.id = new.id", ("id", *columns))  # noqa: S608


ADDED = _insert("runs", *BIRTH, *PLACE, *PROGRESS, "input")
MOVED = _update("moved", *PLACE, *PROGRESS)
# Columns on which no index stands: PostgreSQL then writes the new version beside the old one, and into no index.
PROGRESSED = _update("progressed", *PROGRESS)
JOURNALED = _insert("journal", "run_id", "seq", "epoch", "at", "version", "event")
SIGNALLED = _insert("signals", "run_id", "number", "id", "name", "value", "at")
REMEMBERED = _insert("appends", "run_id", "entry_id")
POSTED = _insert("outbox", "written_at", "letter", returning=" RETURNING number")

_statements: dict[tuple[str, ...], str] = {}

_PUT_REQUESTS = """
INSERT INTO requests (scope, key, hash, run_id, at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
ON CONFLICT (scope, key) DO UPDATE SET hash = excluded.hash, run_id = excluded.run_id, at = excluded.at"""
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
UPDATE intake SET weights = $1, epoch = $2, until = $3, last_safe = $4, readonly = $5 WHERE epoch = $6"""
# Sorted by age, which has an index; what another transaction is removing already is left to it.
_FORGET_REQUESTS = """
DELETE FROM requests WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM requests WHERE at <= $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))"""


async def flush(db: Connection, sheet: Sheet, letter: Row | None = None) -> int | None:
    """Write what was changed. With a letter, the number under which it stands in the outbox."""
    parts = list(_filled(sheet, letter))
    await _flush_books(db, sheet)
    if not parts:
        return None
    arguments = [
        write(column)
        for part, rows in parts
        for write, column in zip(part.literals, zip(*rows, strict=True), strict=True)
    ]
    answer = await db.fetch(_statement([part for part, _ in parts]), *arguments)
    return answer[0][0] if letter is not None else None


def _filled(sheet: Sheet, letter: Row | None) -> Iterable[tuple[Part, Sequence[Row]]]:
    """The parts that have rows, each with its rows."""
    new, moved, stayed = sheet.take_changes()
    entries, signals, appends = sheet.take_journals()
    everything: tuple[tuple[Part, Sequence[Row]], ...] = (
        (ADDED, [(*birth_of(run), *place_of(run), *progress_of(run), bytes(run.input)) for run in new]),
        (MOVED, [(run.id, *place_of(run), *progress_of(run)) for run in moved]),
        (PROGRESSED, [(run.id, *progress_of(run)) for run in stayed]),
        (JOURNALED, entries),
        (SIGNALLED, signals),
        (REMEMBERED, appends),
        (POSTED, [letter] if letter is not None else []),
    )
    return [(part, rows) for part, rows in everything if rows]


def _statement(parts: Sequence[Part]) -> str:
    """One statement of all parts; it returns a letter's number if one of them is the letter."""
    names = tuple(part.name for part in parts)
    known = _statements.get(names)
    if known is None:
        known = _statements[names] = _compose(parts)
    return known


def _compose(parts: Sequence[Part]) -> str:
    number = 0
    steps: list[str] = []
    for part in parts:
        arrays: list[str] = []
        for column in part.columns:
            number += 1
            arrays.append(f"${number}::text::{TYPES.get(column, 'text')}[]")
        rows = f"unnest({', '.join(arrays)}) AS new({', '.join(part.columns)})"
        steps.append(f"{part.name} AS ({part.statement.format(rows)})")
    told = "number FROM into_outbox" if POSTED in parts else "NULL"
    return f"WITH {', '.join(steps)} SELECT {told}"


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
