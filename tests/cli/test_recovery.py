"""Recovery by the command line, on a real PostgreSQL: pgBackRest, and a failover."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import load
from watership.releases.checks.catalogue import Manifest
from watership.releases.readiness.drill import Drill
from watership.testing.servers import ArchivedPostgres, PostgresServer
from watership.wiring.environment import Places
from watership.wiring.system import open_system


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """An environment that is not up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "dana")
    found = Places.of(load(tmp_path, {}))

    async def made() -> None:
        async with await open_system(load(tmp_path, {}), waits=True):
            pass

    asyncio.run(made())
    return found


@pytest.fixture
def archived(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, nightly: bool
) -> ArchivedPostgres:
    """The environment's database is a PostgreSQL that pgBackRest backs up."""
    if not nightly:
        pytest.skip("the adapters' tests restore by day: at night")
    server = request.getfixturevalue("archived_postgres")
    assert isinstance(server, ArchivedPostgres)
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_DATABASE", server.url)
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_STANZA", "main")
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_PGBACKREST", str(server.config))
    return server


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["--json", *words])
    found: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return code, found


@pytest.mark.usefixtures("archived")
def test_pgbackrest_backs_up_what_the_environment_says_and_is_drilled_with(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    code, made = told(capsys, "backup", "create", "before-2.1")
    assert code == Exit.OK and made["path"].endswith(".pgbackrest")

    code, record = told(
        capsys,
        "drill",
        "backup-restore",
        "--of",
        "newest",
        "--into",
        "/tmp",
        "--loss-after",
        "1s",
    )
    assert (code, record["outcome"], record["facts"]["method"]) == (Exit.OK, "passed", "archive"), record
    assert record["rto_seconds"] > 0 and record["facts"]["backup"] == made["id"]

    code, listed = told(capsys, "backup", "list")
    every = msgspec.convert(listed, Manifest).backups
    assert made["id"] in {each.name for each in every if each.kind in ("full", "incremental")}
    assert [each for each in every if each.kind == "wal"]
    assert "drill.held" in places.audit.read_text()


@pytest.mark.usefixtures("places")
def test_a_stanza_that_is_not_there_or_has_no_server_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIVE", postgres_url)
    (config := tmp_path / "pgbackrest.conf").write_text("[global]\nrepo1-path=/nowhere\n")
    other = ("--stanza", "other", "--config", str(config))

    assert run(["backup", "create", "x", *other]) == Exit.USAGE  # the environment's own is a file
    assert run(["backup", "create", "x", "--on", "env:LIVE", *other]) in (Exit.NOT_FOUND, Exit.DEPENDENCY)
    assert run(["backup", "create", "x", "--on", "env:LIVE", "--config", str(config)]) == Exit.USAGE
    assert "--stanza" in capsys.readouterr().err
    assert run(["drill", "backup-restore", "--on", "env:LIVE", "--loss-after", "1s"]) == Exit.USAGE


@pytest.mark.usefixtures("places")
def test_a_failover_of_what_the_environment_lives_on_is_refused_and_one_elsewhere_is_stated_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    monkeypatch.setenv("LIVE", postgres_server.url)
    command = [
        "drill",
        "failover",
        "--primary",
        "env:LIVE",
        "--standby",
        "env:LIVE",
        "--stop-primary",
        "false",
    ]
    place = f"127.0.0.1:{postgres_server.port}"

    assert run(command) == Exit.NOT_ALLOWED
    assert "may live on" in capsys.readouterr().err
    assert run(["drill", "failover"]) == Exit.USAGE
    assert run(["drill", "failover", "--primary", "env:LIVE"]) == Exit.USAGE
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_DATABASE", postgres_server.url)
    assert run([*command, "--confirm", place]) == Exit.NOT_ALLOWED
    assert "lives on" in capsys.readouterr().err
    code, stated = told(capsys, *command, "--live")
    assert (code, stated["live"], stated["primary"]) == (Exit.INCONCLUSIVE, True, place)
    assert run([*command, "--live", "--confirm", "127.0.0.1:1"]) == Exit.CONFLICT
    code, record = told(capsys, *command, "--live", "--confirm", place)
    assert code == Exit.NOT_OK and "no primary with its standby" in record["words"]


@pytest.mark.usefixtures("places", "archived")
def test_a_failover_is_held_on_a_private_copy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drill", "failover", "--lag", "20s"]) == Exit.OK, capsys.readouterr()

    shown = capsys.readouterr().out
    assert "RTO     " in shown and "(5m allowed)" in shown and "heartbeats are missing" in shown
    (path,) = Path("evidence/drills").iterdir()
    record = msgspec.json.decode(path.read_bytes(), type=Drill)
    assert (record.kind, record.environment, record.facts["method"]) == (
        "failover",
        "private-pair",
        "private",
    )


@pytest.mark.usefixtures("places")
def test_a_backup_of_pgbackrest_or_a_moment_takes_the_place_of_the_database(
    capsys: pytest.CaptureFixture[str], archived: ArchivedPostgres
) -> None:
    into = ("--into", "/tmp")
    _, made = told(capsys, "backup", "create", "before-2.1")
    before = archived.sql("SELECT count(*) FROM orders", url=archived.url)
    time.sleep(1.1)  # when a backup ended is known to the second
    moment = datetime.now(UTC)
    archived.sql("INSERT INTO orders SELECT 300, 'twine' FROM generate_series(1, 7)", url=archived.url)
    archived.sql("SELECT pg_switch_wal()", url=archived.url)

    code, stated = told(capsys, "backup", "restore", made["id"], "--dry-run", *into)
    assert (code, stated["rows_lost"], stated["rows_back"]) == (Exit.OK, 7, 0)
    code, stated = told(capsys, "backup", "restore", "--at", moment.isoformat(), "--dry-run", *into)
    assert (code, stated["rows_lost"]) == (Exit.OK, 7)
    code, done = told(capsys, "backup", "restore", made["id"], "--yes-lose", "7", *into)
    assert code == Exit.OK and done["placed"]["safety"]["path"].endswith(".pgbackrest")
    assert archived.sql("SELECT count(*) FROM orders", url=archived.url) == before
    archived.sql("INSERT INTO orders VALUES (301, 'wire')", url=archived.url)
    code, done = told(capsys, "backup", "restore", "--at", moment.isoformat(), "--yes-lose", "1", *into)
    assert code == Exit.OK, done
    assert archived.sql("SELECT count(*) FROM orders", url=archived.url) == before
