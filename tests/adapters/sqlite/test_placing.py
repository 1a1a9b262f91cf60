"""A restore into the place of a SQLite file, which others may have open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from watership.adapters.sqlite.backups import SQLiteBackups
from watership.adapters.sqlite.placing import SQLitePlace
from watership.errors import Conflict
from watership.releases.readiness.restoring import TableLoss, restore


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
async def test_what_is_lost_is_counted_and_whoever_uses_the_file_is_not_cut_off(
    mode: str, tmp_path: Path
) -> None:
    path = tmp_path / "application.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, 'rope')", [(each,) for each in range(100)])
    backups = SQLiteBackups(path, tmp_path / "backups")
    backup = await backups.create("before")
    client = sqlite3.connect(path)
    with client:
        client.execute("INSERT INTO orders VALUES (100, 'twine'), (101, 'twine')")
        client.execute("UPDATE orders SET item = 'wire' WHERE id = 3")
        client.execute("DELETE FROM orders WHERE id = 4")
    place = SQLitePlace(path, backup, backups)

    assert (await place.loss()).tables["orders"] == TableLoss(lost=3, back=2)
    with pytest.raises(Conflict, match="3 rows would be lost, and 4 were allowed"):
        await restore(place, yes_lose=4)
    client.execute("BEGIN IMMEDIATE")
    with pytest.raises(Conflict, match="in use"):
        await restore(SQLitePlace(path, backup, backups, wait=0.1), yes_lose=3)
    client.rollback()
    client.close()
    done = await restore(place, yes_lose=3)

    with closing(sqlite3.connect(path)) as now, closing(sqlite3.connect(done.kept)) as kept:
        assert now.execute("SELECT count(*), sum(item = 'rope') FROM orders").fetchone() == (100, 100)
        assert kept.execute("SELECT count(*), sum(item = 'rope') FROM orders").fetchone() == (101, 98)
    assert await backups.verify(done.safety) == []
