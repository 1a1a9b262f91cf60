"""watership db on the embedded store and on PostgreSQL: the same words, the same exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watership.adapters.sqlite.schema import SCHEMA
from watership.cli.exits import Exit
from watership.cli.main import run


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".watership").mkdir()
    url = (
        "sqlite:///.watership/runs.db"
        if request.param == "sqlite"
        else str(request.getfixturevalue("postgres_url"))
    )
    monkeypatch.setenv("WATERSHIP_STORE_URL", url)
    return str(request.param)


def test_a_store_is_looked_at_brought_forward_and_back(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = SCHEMA.highest if store == "sqlite" else 1

    def told(*words: str) -> tuple[int, int]:
        code = run(["--json", "db", *words])
        return code, json.loads(capsys.readouterr().out)["present"]

    assert told("status") == (Exit.NOT_OK, 0)
    assert told("upgrade") == (Exit.OK, newest)
    assert told("status") == (Exit.OK, newest)
    assert told("downgrade", "0", "--yes") == (Exit.OK, 0)
    assert told("status") == (Exit.NOT_OK, 0)


def test_a_schema_that_does_not_exist_is_a_mistake_of_the_caller(store: str) -> None:
    assert run(["db", "downgrade", "77", "--yes"]) == Exit.USAGE
