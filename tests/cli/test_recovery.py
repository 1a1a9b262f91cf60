"""Recovery by the command line, on a real PostgreSQL: pgBackRest, and a failover."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import load
from watership.releases.checks.catalogue import Manifest
from watership.releases.readiness.drill import Drill
from watership.testing.servers import ArchivedPostgres
from watership.wiring.environment import Places
from watership.wiring.system import open_system


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archived_postgres: ArchivedPostgres) -> Places:
    """An environment that is not up, whose database is a PostgreSQL that pgBackRest backs up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "dana")
    monkeypatch.setenv("LIVE", archived_postgres.url)
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_DATABASE", archived_postgres.url)
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_STANZA", "main")
    monkeypatch.setenv("WATERSHIP_ENVIRONMENT_PGBACKREST", str(archived_postgres.config))
    found = Places.of(load(tmp_path, {}))

    async def made() -> None:
        async with await open_system(load(tmp_path, {}), waits=True):
            pass

    asyncio.run(made())
    return found


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["--json", *words])
    found: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return code, found


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
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, archived_postgres: ArchivedPostgres
) -> None:
    config = ("--config", str(archived_postgres.config))
    assert run(["backup", "create", "x", "--stanza", "other", *config]) == Exit.NOT_FOUND
    assert run(["backup", "create", "x", "--config", "/nowhere"]) == Exit.USAGE
    assert "--stanza" in capsys.readouterr().err
    assert run(["drill", "backup-restore", "--on", "env:LIVE", "--loss-after", "1s"]) == Exit.USAGE
    monkeypatch.delenv("WATERSHIP_ENVIRONMENT_DATABASE")
    assert run(["backup", "create", "x"]) == Exit.USAGE


@pytest.mark.usefixtures("places")
def test_a_failover_of_what_the_environment_lives_on_is_refused_and_one_elsewhere_is_stated_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, archived_postgres: ArchivedPostgres
) -> None:
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
    place = f"127.0.0.1:{archived_postgres.port}"

    assert run([*command, "--confirm", place]) == Exit.NOT_ALLOWED
    assert "lives on" in capsys.readouterr().err
    code, stated = told(capsys, *command, "--live")
    assert (code, stated["live"], stated["primary"]) == (Exit.INCONCLUSIVE, True, place)
    assert run([*command, "--live", "--confirm", "127.0.0.1:1"]) == Exit.CONFLICT
    code, record = told(capsys, *command, "--live", "--confirm", place)
    assert code == Exit.NOT_OK and "no primary with its standby" in record["words"]
    monkeypatch.delenv("WATERSHIP_ENVIRONMENT_DATABASE")
    monkeypatch.delenv("WATERSHIP_ENVIRONMENT_STANZA")
    assert run(command) == Exit.NOT_ALLOWED
    assert run(["drill", "failover"]) == Exit.USAGE
    assert run(["drill", "failover", "--primary", "env:LIVE"]) == Exit.USAGE


@pytest.mark.usefixtures("places")
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
