"""Flags and the record of their changes, in two tables; the record refuses to be changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from watership.adapters.ledger import flags as ledger
from watership.adapters.ledger.columns import change_of, change_row, flag_of, flag_row
from watership.adapters.sqlite.books import BookTable
from watership.fleet.flags import READ_ONLY, Flag, FlagChange

_CHANGES = "SELECT number, name, at, by, reason, before, after FROM flag_changes"
_PUT = "INSERT INTO flags (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body"


class FlagTable:
    """FlagRows over SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def flag(self, name: str) -> Flag | None:
        row = self._db.execute("SELECT body FROM flags WHERE name = ?", (name,)).fetchone()
        return None if row is None else flag_of(row[0])

    def put_flag(self, flag: Flag) -> None:
        self._db.execute(_PUT, flag_row(flag))

    def flag_count(self) -> int:
        count: int = self._db.execute("SELECT count(*) FROM flags").fetchone()[0]
        return count

    def add_change(self, change: FlagChange) -> None:
        self._db.execute("INSERT INTO flag_changes VALUES (?, ?, ?, ?, ?, ?, ?)", change_row(change))

    def changes(self, name: str | None, limit: int) -> Sequence[FlagChange]:
        where = "" if name is None else " WHERE name = ?"
        facts = (limit,) if name is None else (name, limit)
        rows = self._db.execute(f"{_CHANGES}{where} ORDER BY number DESC LIMIT ?", facts)
        return [change_of(row) for row in rows]


def read_flags(db: sqlite3.Connection) -> list[Flag]:
    """All flags by name, of one moment."""
    db.execute("BEGIN")
    try:
        rows = db.execute("SELECT body FROM flags").fetchall()
        readonly = ledger.current(FlagTable(db), BookTable(db), READ_ONLY)
    finally:
        db.execute("COMMIT")
    assert readonly is not None, "the intake is always there"
    return sorted([readonly, *(flag_of(row[0]) for row in rows)], key=lambda flag: flag.name)
