"""watership backup and watership drill, on the environment's own database and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watership.adapters.files.lock import FileLock
from watership.adapters.sqlite.migrator import create_database
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import load
from watership.releases.checks.catalogue import Manifest
from watership.releases.readiness.drill import Drill
from watership.testing.servers import PostgresServer
from watership.wiring.environment import Places
from watership.wiring.system import open_system


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """An environment that is not up: a backup needs none of its processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "dana")
    found = Places.of(load(tmp_path, {}))

    async def made() -> None:
        async with await open_system(load(tmp_path, {}), waits=True):
            pass

    asyncio.run(made())
    create_database(found.database)
    with closing(sqlite3.connect(found.database)) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO orders VALUES (1), (2)")
    return found


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run(["--json", *words])
    found: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return code, found


def test_a_backup_is_taken_listed_and_verified(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backup", "verify"]) == Exit.NOT_FOUND
    code, made = told(capsys, "backup", "create", "before-2.1")
    assert code == Exit.OK and made["id"].startswith("before-2.1-")

    code, listed = told(capsys, "backup", "list")
    (kept,) = msgspec.convert(listed, Manifest).backups
    assert (kept.kind, kept.name, kept.bytes, kept.sha256) == (
        *("full", made["id"]),
        *(made["bytes"], made["sha256"]),
    )

    assert told(capsys, "backup", "verify") == (Exit.OK, {"backup": made, "wrong": []})
    Path(made["path"]).write_bytes(b"something else")
    code, found = told(capsys, "backup", "verify", made["id"])
    assert code == Exit.NOT_OK and "bytes" in found["wrong"][0]
    assert run(["backup", "verify", "nothing"]) == Exit.NOT_FOUND
    audit = places.audit.read_text()
    assert "backup.taken" in audit and "backup.verified" in audit


def test_a_restore_into_place_is_stated_and_takes_the_number_that_was_stated(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    _, made = told(capsys, "backup", "create", "before-2.1")
    with closing(sqlite3.connect(places.database)) as connection, connection:
        connection.execute("INSERT INTO orders VALUES (3), (4), (5)")

    code, stated = told(capsys, "backup", "restore", made["id"], "--dry-run")
    assert (code, stated["rows_lost"], stated["tables"]["orders"]) == (Exit.OK, 3, {"lost": 3, "back": 0})
    assert run(["backup", "restore", made["id"]]) == Exit.INCONCLUSIVE
    assert "--yes-lose 3" in capsys.readouterr().out
    assert run(["backup", "restore", made["id"], "--dry-run", "--yes-lose", "3"]) == Exit.USAGE
    assert run(["backup", "restore", "--at", "2026-11-29T14:00:00Z", "--dry-run"]) == Exit.USAGE
    assert run(["backup", "restore", made["id"], "--yes-lose", "2"]) == Exit.CONFLICT
    lock = FileLock(places.lock)
    asyncio.run(lock.acquire(who="a controller", release="2.1.0"))
    assert run(["backup", "restore", made["id"], "--yes-lose", "3"]) == Exit.CONFLICT
    assert "2.1.0" in capsys.readouterr().err
    asyncio.run(lock.release())

    code, done = told(capsys, "backup", "restore", made["id"], "--yes-lose", "3")
    assert code == Exit.OK and Path(done["placed"]["kept"]).is_file()
    with closing(sqlite3.connect(places.database)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (2,)
    assert "backup.restored" in places.audit.read_text()


def test_a_drill_is_measured_and_on_record(
    places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["drill", "backup-restore"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "RTO     " in shown and "(30m allowed)" in shown and "(5m allowed)" in shown

    (path,) = (tmp_path / "evidence" / "drills").iterdir()
    record = msgspec.json.decode(path.read_bytes(), type=Drill)
    assert (record.kind, record.by, record.environment, record.passed) == (
        *("backup-restore", "dana"),
        *("local", True),
    )
    assert path.name in shown and "drill.held" in places.audit.read_text()


def test_a_drill_that_takes_longer_than_allowed_is_not_ok(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    code, record = told(capsys, "drill", "backup-restore", "--rto", "0s", "--rpo", "1h")

    assert (code, record["outcome"]) == (Exit.NOT_OK, "failed")
    assert "the RTO is" in record["words"] and "RPO" not in record["words"]


def test_a_postgres_that_is_named_is_drilled_with_and_its_dump_needs_a_server(
    places: Places,
    postgres_server: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    postgres_server.sql("CREATE TABLE orders AS SELECT 1 AS id", url=postgres_url)
    monkeypatch.setenv("LIVE", postgres_url)
    monkeypatch.setenv("SCRATCH", postgres_server.url)

    code, record = told(capsys, "drill", "backup-restore", "--on", "env:LIVE", "--scratch", "env:SCRATCH")
    assert (code, record["outcome"]) == (Exit.OK, "passed"), record
    assert told(capsys, "backup", "verify", "--scratch", "env:SCRATCH")[0] == Exit.OK
    code, again = told(
        capsys, "drill", "backup-restore", "--of", "newest", "--scratch", "env:SCRATCH", "--rpo", "1h"
    )
    assert (code, again["facts"]["rpo_by"]) == (Exit.OK, "snapshot"), again
    assert run(["backup", "verify"]) == Exit.USAGE
    assert run(["drill", "backup-restore", "--scratch", "env:SCRATCH"]) == Exit.USAGE
    assert "--scratch" in capsys.readouterr().err


@pytest.mark.usefixtures("places")
def test_the_environments_own_postgres_is_backed_up_and_restored_beside_it_only_if_nothing_else_is_named(
    postgres_server: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_DATABASE", postgres_url)
    assert run(["backup", "create"]) == Exit.OK
    assert ".dump" in capsys.readouterr().out

    assert run(["backup", "verify"]) == Exit.OK
    assert "beside the original" in capsys.readouterr().err
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_SCRATCH", postgres_server.url)
    assert run(["backup", "verify"]) == Exit.OK
    assert "beside" not in capsys.readouterr().err
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_SCRATCH", "postgresql://127.0.0.1:1/nowhere")
    assert run(["backup", "verify"]) == Exit.DEPENDENCY
