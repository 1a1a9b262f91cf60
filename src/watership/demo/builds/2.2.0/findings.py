"""Findings are kept in the application's own database, one for each run that registers one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

BUSY_SECONDS = 5.0
"""A migration's transaction takes milliseconds; writers wait for it."""


def _database() -> sqlite3.Connection:
    return sqlite3.connect(os.environ["DEMO_DATABASE"], timeout=BUSY_SECONDS)


def record(  # noqa: PLR0917 - a row has as many columns as it has
    run: str, word: str, lines: int, chapters: int, share: float, version: str
) -> None:
    """Write a finding down, with all that the schema has a place for."""
    with closing(_database()) as database, database:
        database.execute("BEGIN IMMEDIATE")  # the schema that is looked at is the one that is written to
        finding: dict[str, object] = {"run": run, "word": word, "lines": lines, "version": version}
        there = _columns(database)
        newer = {"chapters": chapters, "share": share}
        finding |= {column: value for column, value in newer.items() if column in there}
        database.execute(
            f"INSERT INTO findings ({', '.join(finding)}) VALUES ({', '.join('?' * len(finding))})",  # noqa: S608
            tuple(finding.values()),
        )


def _columns(database: sqlite3.Connection) -> set[str]:
    return {str(row[1]) for row in database.execute("PRAGMA table_info(findings)")}


def recorded(run: str) -> int | None:
    """The lines that a run's finding names, if it has been recorded."""
    with closing(_database()) as database:
        row = database.execute("SELECT lines FROM findings WHERE run = ?", (run,)).fetchone()
    return None if row is None else int(row[0])
