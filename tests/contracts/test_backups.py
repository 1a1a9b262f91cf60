"""The backups that hold the contract."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.backups_suite import BackupsSuite, Kept
from watership.adapters.postgres.backups import SCRATCH, PostgresBackups
from watership.adapters.postgres.heartbeat import PostgresHeartbeat
from watership.adapters.sqlite.backups import SQLiteBackups
from watership.adapters.sqlite.heartbeat import SQLiteHeartbeat
from watership.testing.servers import PostgresServer

ROWS = ", ".join(f"({number}, 'rope')" for number in range(1, 101))


class TestSQLite(BackupsSuite):
    @pytest.fixture
    def kept(self, tmp_path: Path) -> Kept:
        path, folder = tmp_path / "app.db", tmp_path / "backups"

        def sql(statement: str) -> object:
            with closing(sqlite3.connect(path)) as connection, connection:
                return connection.execute(statement).fetchall()

        def spoil() -> None:
            path.write_bytes(b"no database at all" * 100)

        sql("PRAGMA journal_mode = WAL")
        sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
        sql(f"INSERT INTO orders VALUES {ROWS}")  # noqa: S608
        return Kept(
            backups=SQLiteBackups(path, folder),
            heartbeat=SQLiteHeartbeat(path),
            folder=folder,
            sql=sql,
            schema="",
            break_database=spoil,
            left=list,
        )


class TestPostgres(BackupsSuite):
    @pytest.fixture
    def kept(self, postgres_server: PostgresServer, postgres_url: str, tmp_path: Path) -> Kept:
        folder = tmp_path / "backups"

        def sql(statement: str) -> object:
            return postgres_server.sql(statement, url=postgres_url)

        def left() -> list[str]:
            databases = postgres_server.sql("SELECT datname FROM pg_database").splitlines()
            return [name for name in databases if name.startswith(SCRATCH)]

        def drop() -> None:
            name = postgres_url.rpartition("/")[2]
            postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")

        sql("CREATE TABLE orders (id int PRIMARY KEY, item text)")
        sql(f"INSERT INTO orders VALUES {ROWS}")  # noqa: S608
        return Kept(
            backups=PostgresBackups(postgres_url, folder, scratch=postgres_server.url),
            heartbeat=PostgresHeartbeat(postgres_url),
            folder=folder,
            sql=sql,
            schema="public.",
            break_database=drop,
            left=left,
        )
