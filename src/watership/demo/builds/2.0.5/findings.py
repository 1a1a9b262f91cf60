"""Findings are kept in the application's own database, one for each run that registers one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

BUSY_SECONDS = 5.0
"""A migration's transaction takes milliseconds; writers wait for it."""


def _database() -> sqlite3.Connection:
    return sqlite3.connect(os.environ["DEMO_DATABASE"], timeout=BUSY_SECONDS)


def record(run: str, word: str, lines: int, version: str) -> None:
    with closing(_database()) as database, database:
        database.execute(
            "INSERT INTO findings (run, word, lines, version) VALUES (?, ?, ?, ?)",
            (run, word, lines, version),
        )


def recorded(run: str) -> int | None:
    """The lines that a run's finding names, if it has been recorded."""
    with closing(_database()) as database:
        row = database.execute("SELECT lines FROM findings WHERE run = ?", (run,)).fetchone()
    return None if row is None else int(row[0])
