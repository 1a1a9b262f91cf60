"""The heartbeat of a drill in the application's SQLite database: one row that says when it was last written."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime
from pathlib import Path

from watership.adapters.sqlite.migrator import opened
from watership.errors import Conflict
from watership.releases.readiness.course import HEARTBEAT

_THERE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"


class SQLiteHeartbeat:
    """Beats in the database file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def begin(self) -> None:
        await asyncio.to_thread(self._begin)

    async def beat(self, at: datetime) -> None:
        await asyncio.to_thread(
            self._execute,
            f"INSERT INTO {HEARTBEAT} VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at",  # noqa: S608
            at.isoformat(),
        )

    async def end(self) -> None:
        await asyncio.to_thread(self._execute, f"DROP TABLE IF EXISTS {HEARTBEAT}")

    def _begin(self) -> None:
        with opened(self._path) as connection:
            if connection.execute(_THERE, (HEARTBEAT,)).fetchone():
                raise Conflict(
                    f"{self._path} has a table {HEARTBEAT}: another drill goes on, or was killed.",
                    fix=f"When none goes on: DROP TABLE {HEARTBEAT}",
                )
            connection.execute(f"CREATE TABLE {HEARTBEAT} (id INTEGER PRIMARY KEY, at TEXT NOT NULL)")

    def _execute(self, statement: str, *values: str) -> None:
        with opened(self._path) as connection:
            connection.execute(statement, values)


def beat_in(connection: sqlite3.Connection) -> datetime | None:
    """The newest heartbeat that a database has."""
    if connection.execute(_THERE, (HEARTBEAT,)).fetchone() is None:
        return None
    row = connection.execute(f"SELECT at FROM {HEARTBEAT}").fetchone()  # noqa: S608 - our own table's name
    return None if row is None else datetime.fromisoformat(row[0])
