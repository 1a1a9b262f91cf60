"""Flags and the record of their changes, in two tables; the record refuses to be changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from watership.adapters.ledger import flags as ledger
from watership.adapters.ledger.columns import Row, micros, moment
from watership.adapters.sqlite.books import BookTable
from watership.fleet.flags import READ_ONLY, Flag, FlagChange

_flag = msgspec.json.Decoder(Flag)
_encode = msgspec.json.Encoder().encode

_CHANGES = "SELECT number, name, at, by, reason, before, after FROM flag_changes"
_PUT = "INSERT INTO flags (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body"


class FlagTable:
    """FlagRows over SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def flag(self, name: str) -> Flag | None:
        row = self._db.execute("SELECT body FROM flags WHERE name = ?", (name,)).fetchone()
        return None if row is None else _flag.decode(row[0])

    def put_flag(self, flag: Flag) -> None:
        self._db.execute(_PUT, (flag.name, _encode(flag)))

    def flag_count(self) -> int:
        count: int = self._db.execute("SELECT count(*) FROM flags").fetchone()[0]
        return count

    def add_change(self, change: FlagChange) -> None:
        before = None if change.before is None else _encode(change.before)
        row = (
            change.number,
            change.name,
            micros(change.at),
            change.by,
            change.reason,
            before,
            _encode(change.after),
        )
        self._db.execute("INSERT INTO flag_changes VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def changes(self, name: str | None, limit: int) -> Sequence[FlagChange]:
        where = "" if name is None else " WHERE name = ?"
        facts = (limit,) if name is None else (name, limit)
        rows = self._db.execute(f"{_CHANGES}{where} ORDER BY number DESC LIMIT ?", facts)
        return [_change(row) for row in rows]


def read_flags(db: sqlite3.Connection) -> list[Flag]:
    """All flags by name, of one moment."""
    db.execute("BEGIN")
    try:
        rows = db.execute("SELECT body FROM flags").fetchall()
        readonly = ledger.current(FlagTable(db), BookTable(db), READ_ONLY)
    finally:
        db.execute("COMMIT")
    assert readonly is not None, "the intake is always there"
    return sorted([readonly, *(_flag.decode(row[0]) for row in rows)], key=lambda flag: flag.name)


def _change(row: Row) -> FlagChange:
    number, name, at, by, reason, before, after = row
    return FlagChange(
        number=number,
        name=name,
        at=moment(at),
        by=by,
        reason=reason,
        before=None if before is None else _flag.decode(before),
        after=_flag.decode(after),
    )
