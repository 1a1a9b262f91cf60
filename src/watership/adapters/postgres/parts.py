"""A part is one table's share of a statement; all that a transaction changed is written as one statement of parts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, islice
from typing import NamedTuple

from watership.adapters.ledger.columns import BIRTH, PLACE, PROGRESS
from watership.adapters.postgres.locks import INTAKE_KEY
from watership.adapters.postgres.statements import NOW

TYPES = {
    "priority": "integer",
    "depth": "integer",
    "created_at": "bigint",
    "deadline": "bigint",
    "wake_at": "bigint",
    "lease_until": "bigint",
    "epoch": "bigint",
    "cancel_requested": "boolean",
    "expired": "boolean",
    "waits": "bytea",
    "caps": "bytea",
    "origin": "bytea",
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


class Insert(NamedTuple):
    """New rows of one table."""

    name: str
    table: str
    columns: tuple[str, ...]
    returning: str = ""

    def step(self, arrays: Sequence[str], *, unlocked: bool, in_order: bool) -> str:
        """Its step of a statement, over the columns as arrays."""
        values = ", ".join(_values(self.columns, unlocked=unlocked))
        statement = (
            f"INSERT INTO {self.table} ({', '.join(self.columns)}) SELECT {values} FROM {_rows(self, arrays)}"  # noqa: S608
        )
        return f"{statement} RETURNING {self.returning}" if self.returning else statement


class Update(NamedTuple):
    """New values for runs that still have the revision which stands beside their id."""

    name: str
    columns: tuple[str, ...]

    def step(self, arrays: Sequence[str], *, unlocked: bool, in_order: bool) -> str:
        """The same; it returns a row for each run that it met, `in_order`: once all are locked by that step."""
        pairs = zip(self.columns, _values(self.columns, unlocked=unlocked), strict=True)
        changes = ", ".join(f"{column} = {value}" for column, value in pairs if column not in _FOUND_BY)
        waits = f" AND (SELECT count(*) FROM {IN_ORDER}) >= 0" if in_order else ""  # noqa: S608
        return (
            f"UPDATE runs SET {changes}, revision = runs.revision + 1 FROM {_rows(self, arrays)} "  # noqa: S608
            f"WHERE runs.id = new.id AND runs.revision = new.revision{waits} RETURNING 1"
        )


Part = Insert | Update

_FOUND_BY = ("id", "revision")

ADDED = Insert("added", "runs", (*BIRTH, *PLACE, *PROGRESS, "input"))
MOVED = Update("moved", (*_FOUND_BY, *PLACE, *PROGRESS))
# Columns on which no index stands: PostgreSQL then writes the new version beside the old one, and into no index.
PROGRESSED = Update("progressed", (*_FOUND_BY, *PROGRESS))
JOURNALED = Insert("journaled", "journal", ("run_id", "seq", "epoch", "at", "version", "event"))
SIGNALLED = Insert("signalled", "signals", ("run_id", "number", "id", "name", "value", "at"))
APPENDED = Insert("appended", "appends", ("run_id", "entry_id"))
POSTED = Insert("posted", "outbox", ("written_at", "letter"), returning="number")

HELD = "held"
"""The step that holds the intake's row, and verifies that it is as it was taken to be, and that none of the submissions
is known as an injected message. Its arguments: weights, epoch, readonly, paused, the submissions' ids."""
IN_ORDER = "in_order"
"""The step that locks the runs in the order of their ids, where two updates would each keep to their own order."""
LATE = "late"
"""The step that tells by how much the database's time is later than the one by which the statement was decided."""


def composed(parts: Sequence[Part], *, held: bool = False, unlocked: bool = False) -> str:
    """One statement of all parts. It returns a letter's number if there is one among them, and the time.

    Its arguments, in this order: those of HELD; each part's columns as arrays; how many rows it must meet, HELD's
    among them, else it fails by a division by zero; and, where the rows are `unlocked`, the time by which it was
    decided, instead of which it writes its own.
    """
    key = tuple(part.name for part in parts), held, unlocked
    known = _composed.get(key)
    if known is None:
        known = _composed[key] = _compose(parts, held=held, unlocked=unlocked)
    return known


_composed: dict[tuple[tuple[str, ...], bool, bool], str] = {}


def _compose(parts: Sequence[Part], *, held: bool, unlocked: bool) -> str:
    numbers = (f"${number}" for number in count(1))
    intake = list(islice(numbers, 5)) if held else []
    arrays = [list(islice(numbers, len(part.columns))) for part in parts]
    to_meet, decided_at = next(numbers), next(numbers)
    ids = [array[0] for part, array in zip(parts, arrays, strict=True) if isinstance(part, Update)]
    in_order = unlocked and len(ids) > 1
    steps: dict[str, str] = {}
    if held:
        steps[f"{HELD} AS MATERIALIZED"] = _held(*intake)
    if unlocked:
        steps[f"{LATE} AS MATERIALIZED"] = f"SELECT coalesce({NOW} - {decided_at}::bigint, 0) AS micros"
    if in_order:
        steps[f"{IN_ORDER} AS MATERIALIZED"] = _locked(ids)
    for part, array in zip(parts, arrays, strict=True):
        steps[f"{part.name} AS"] = part.step(array, unlocked=unlocked, in_order=in_order)
    met = [part.name for part in parts if isinstance(part, Update)] + ([HELD] if held else [])
    number = f"(SELECT number FROM {POSTED.name})" if POSTED in parts else "NULL::bigint"  # noqa: S608
    listed = ",\n".join(f"{name} ({step})" for name, step in steps.items())
    return f"WITH {listed}\nSELECT {number}, {NOW}, 1 / (({_sum_of(met)} = {to_meet}::bigint)::integer)"


def _held(weights: str, epoch: str, readonly: str, paused: str, submitted: str) -> str:
    return (
        f"SELECT 1 FROM held_intake({INTAKE_KEY}) AS row WHERE row.weights = {weights}::bytea "  # noqa: S608
        f"AND row.epoch = {epoch}::bigint AND row.readonly = {readonly}::boolean AND row.until IS NULL "
        f"AND row.paused IS NOT DISTINCT FROM {paused}::bytea "
        f"AND NOT EXISTS (SELECT FROM injections WHERE submission = ANY({submitted}::text::text[]))"
    )


def _locked(ids: Sequence[str]) -> str:
    every = " UNION ALL ".join(f"SELECT unnest({array}::text::text[])" for array in ids)
    return f"SELECT id FROM runs WHERE id IN ({every}) ORDER BY id FOR UPDATE"  # noqa: S608


def _rows(part: Part, arrays: Sequence[str]) -> str:
    unnested = ", ".join(
        f"{array}::text::{kind_of(column)}[]" for array, column in zip(arrays, part.columns, strict=True)
    )
    return f"unnest({unnested}) AS new({', '.join(part.columns)})"


def _values(columns: Sequence[str], *, unlocked: bool) -> list[str]:
    late = f" + (SELECT micros FROM {LATE})"  # noqa: S608
    return [f"new.{column}{late if unlocked and column in TIMES else ''}" for column in columns]


def _sum_of(steps: Sequence[str]) -> str:
    return " + ".join(f"(SELECT count(*) FROM {name})" for name in steps) or "0"  # noqa: S608


def kind_of(column: str) -> str:
    """The type of a column."""
    return TYPES.get(column, "text")
