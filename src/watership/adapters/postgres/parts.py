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


TIMES = frozenset({"created_at", "updated_at", "at", "written_at"})
"""Columns that say when the transaction was."""


class Part(NamedTuple):
    """The rows that one table gets: new ones, or new values of `runs` where a revision is still the same."""

    name: str
    table: str
    columns: tuple[str, ...]
    literals: tuple[Literal, ...]
    returning: str = ""

    @property
    def updates(self) -> bool:
        return self.columns[:2] == ("id", "revision")


def _part(name: str, table: str, *columns: str, returning: str = "") -> Part:
    literals = tuple(literal(TYPES.get(column, "text")) for column in columns)
    return Part(name, table, columns, literals, returning)


def _insert(table: str, *columns: str, returning: str = "") -> Part:
    return _part(f"into_{table}", table, *columns, returning=returning)


def _update(name: str, *columns: str) -> Part:
    return _part(name, "runs", "id", "revision", *columns, returning="1")


ADDED = _insert("runs", *BIRTH, *PLACE, *PROGRESS, "input")
MOVED = _update("moved", *PLACE, *PROGRESS)
# Columns on which no index stands: PostgreSQL then writes the new version beside the old one, and into no index.
PROGRESSED = _update("progressed", *PROGRESS)
JOURNALED = _insert("journal", "run_id", "seq", "epoch", "at", "version", "event")
SIGNALLED = _insert("signals", "run_id", "number", "id", "name", "value", "at")
REMEMBERED = _insert("appends", "run_id", "entry_id")
POSTED = _insert("outbox", "written_at", "letter", returning="number")

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

_LATE = f"late AS MATERIALIZED (SELECT coalesce({NOW} - {{}}::bigint, 0) AS late)"

_IS_LATE = " + (SELECT late FROM late)"

_composed: dict[tuple[tuple[str, ...], bool, bool], str] = {}


def composed(parts: Sequence[Part], *, held: bool = False, locked: bool) -> str:
    """One statement of all parts; it returns the number of a letter that is among them, and the time.

    Its arguments are those of `held`, the parts' columns, and how many rows it must meet: where it meets fewer it
    fails by a division by zero. Where the rows are not `locked` yet it locks them first, if one part alone would not
    keep to the order; and its last argument is the time by which it was decided, instead of which it writes its own.
    """
    key = tuple(part.name for part in parts), held, locked
    known = _composed.get(key)
    if known is None:
        known = _composed[key] = _compose(parts, held=held, locked=locked)
    return known


def _compose(parts: Sequence[Part], *, held: bool, locked: bool) -> str:
    number = HELD_ARGUMENTS if held else 0
    arrays: dict[str, list[str]] = {}
    for part in parts:
        arrays[part.name] = [f"${number + place}" for place in range(1, len(part.columns) + 1)]
        number += len(part.columns)
    updates = [part.name for part in parts if part.updates]
    orders = not locked and len(updates) > 1
    steps = [HELD] * held
    if not locked:
        steps.append(_LATE.format(f"${number + 2}"))
    if orders:
        steps.append(_LOCKED.format(*(arrays[name][0] for name in updates)))
    for part in parts:
        steps.append(_step(part, arrays[part.name], late=not locked, orders=orders))
    told = "(SELECT number FROM into_outbox)" if POSTED in parts else "NULL::bigint"
    met = [f"(SELECT count(*) FROM {name})" for name in updates + ["held"] * held]  # noqa: S608
    guard = f"1 / (({' + '.join(met) or '0'} = ${number + 1}::bigint)::integer)"
    return f"WITH {', '.join(steps)} SELECT {told}, {NOW}, {guard}"


def _step(part: Part, arrays: Sequence[str], *, late: bool, orders: bool) -> str:
    columns = ", ".join(part.columns)
    unnested = ", ".join(
        f"{array}::text::{TYPES.get(column, 'text')}[]"
        for array, column in zip(arrays, part.columns, strict=True)
    )
    rows = f"unnest({unnested}) AS new({columns})"
    values = {column: f"new.{column}" + _IS_LATE * (late and column in TIMES) for column in part.columns}
    if part.updates:
        changes = ", ".join(f"{column} = {values[column]}" for column in part.columns[2:])
        statement = (
            f"UPDATE runs SET {changes}, revision = runs.revision + 1 FROM {rows} "  # noqa: S608
            f"WHERE runs.id = new.id AND runs.revision = new.revision{_ONCE_LOCKED * orders}"
        )
    else:
        statement = f"INSERT INTO {part.table} ({columns}) SELECT {', '.join(values.values())} FROM {rows}"  # noqa: S608
    returning = f" RETURNING {part.returning}" if part.returning else ""
    return f"{part.name} AS ({statement}{returning})"
