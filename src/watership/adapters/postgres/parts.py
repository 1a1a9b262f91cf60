"""A part is one table's share of a statement; all that a transaction changed is written as one statement of parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from watership.adapters.ledger.columns import BIRTH, PLACE, PROGRESS
from watership.adapters.postgres.arrays import Literal, literal
from watership.adapters.postgres.locks import INTAKE_KEY
from watership.adapters.postgres.statements import NOW

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
    "revision": "bigint",
}
"""The types of columns that are not text."""


class Part(NamedTuple):
    """`{}` in the statement stands for the rows, given as an array for each column."""

    name: str
    statement: str
    columns: tuple[str, ...]
    literals: tuple[Literal, ...]


def _insert(table: str, *columns: str, returning: str = "") -> Part:
    listed = ", ".join(columns)
    statement = f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {{}}{returning}"  # noqa: S608
    return _part(f"into_{table}", statement, columns)


def _update(name: str, *columns: str) -> Part:
    changes = ", ".join(f"{column} = new.{column}" for column in columns) + ", revision = runs.revision + 1"
    statement = (
        f"UPDATE runs SET {changes} FROM {{}} "  # noqa: S608
        "WHERE runs.id = new.id AND runs.revision = new.revision"
    )
    return _part(name, statement, ("id", "revision", *columns))


def _part(name: str, statement: str, columns: tuple[str, ...]) -> Part:
    return Part(name, statement, columns, tuple(literal(TYPES.get(column, "text")) for column in columns))


ADDED = _insert("runs", *BIRTH, *PLACE, *PROGRESS, "input")
MOVED = _update("moved", *PLACE, *PROGRESS)
# Columns on which no index stands: PostgreSQL then writes the new version beside the old one, and into no index.
PROGRESSED = _update("progressed", *PROGRESS)
JOURNALED = _insert("journal", "run_id", "seq", "epoch", "at", "version", "event")
SIGNALLED = _insert("signals", "run_id", "number", "id", "name", "value", "at")
REMEMBERED = _insert("appends", "run_id", "entry_id")
POSTED = _insert("outbox", "written_at", "letter", returning=" RETURNING number")

_UPDATES = (MOVED, PROGRESSED)

HELD = (
    f"held AS MATERIALIZED (SELECT 1 FROM held_intake({INTAKE_KEY}) AS row "  # noqa: S608
    "WHERE row.weights = $1::bytea AND row.epoch = $2::bigint AND row.readonly = $3::boolean AND row.until IS NULL "
    "AND NOT EXISTS (SELECT FROM injections WHERE submission = ANY($4::text::text[])))"
)
"""The intake's row is as it was taken to be, and stays so; none of the submissions is known as an injected message."""
HELD_ARGUMENTS = 4

_LOCKED = (
    "locked AS MATERIALIZED (SELECT id FROM runs WHERE id IN (SELECT unnest({}::text::text[]) UNION ALL "
    "SELECT unnest({}::text::text[])) ORDER BY id FOR UPDATE)"
)
_ONCE_LOCKED = " AND (SELECT count(*) FROM locked) >= 0"

_composed: dict[tuple[str, ...], str] = {}


def composed(parts: Sequence[Part], *, held: bool, locks: bool) -> str:
    """One statement of all parts, after the arguments of `held`; its last argument says how many rows it must meet.

    It returns the number of a letter that is among the parts, and the time. It fails by a division by zero where a
    row was not met. With `locks` it locks the runs first, where one part alone would not keep to the order.
    """
    key = (*(part.name for part in parts), *(("held",) * held), *(("locks",) * locks))
    known = _composed.get(key)
    if known is None:
        known = _composed[key] = _compose(parts, held=held, locks=locks)
    return known


def _compose(parts: Sequence[Part], *, held: bool, locks: bool) -> str:
    number = HELD_ARGUMENTS if held else 0
    steps = [HELD] if held else []
    updates = [part for part in parts if part in _UPDATES]
    locks = locks and len(updates) > 1
    ids: list[str] = []
    written: list[str] = []
    for part in parts:
        arrays = [f"${number + place}" for place in range(1, len(part.columns) + 1)]
        number += len(arrays)
        unnested = ", ".join(
            f"{array}::text::{TYPES.get(column, 'text')}[]"
            for array, column in zip(arrays, part.columns, strict=True)
        )
        statement = part.statement.format(f"unnest({unnested}) AS new({', '.join(part.columns)})")
        if part in _UPDATES:
            ids.append(arrays[0])
            statement += (_ONCE_LOCKED if locks else "") + " RETURNING 1"
        written.append(f"{part.name} AS ({statement})")
    if locks:
        steps.append(_LOCKED.format(*ids))
    steps += written
    told = "(SELECT number FROM into_outbox)" if POSTED in parts else "NULL::bigint"
    counted = [part.name for part in updates] + ["held"] * held
    met = [f"(SELECT count(*) FROM {name})" for name in counted]  # noqa: S608
    guard = f"1 / (({' + '.join(met) or '0'} = ${number + 1}::bigint)::integer)"
    return f"WITH {', '.join(steps)} SELECT {told}, {NOW}, {guard}"
