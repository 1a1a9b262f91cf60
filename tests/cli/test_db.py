"""watership db tells the schema, brings it forward, and takes it back when that is confirmed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from watership.adapters.postgres.schema import SCHEMA
from watership.cli.exits import Exit
from watership.cli.main import run


def _told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    told: dict[str, object] = msgspec.json.decode(capsys.readouterr().out)
    return told


def test_the_schema_of_postgresql_goes_forward_and_back(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WATERSHIP_STORE_URL", postgres_url)
    assert run(["--json", "db", "status"]) == 3
    assert _told(capsys)["present"] == 0
    assert run(["--json", "db", "upgrade"]) == 0
    assert run(["--json", "db", "upgrade"]) == 0
    capsys.readouterr()
    assert run(["--json", "db", "status"]) == 0
    assert _told(capsys)["present"] == SCHEMA.highest
    assert run(["db", "downgrade", "0"]) == 2
    assert run(["--json", "db", "downgrade", "0", "--yes"]) == 0
    capsys.readouterr()
    assert run(["--json", "db", "status"]) == 3


def test_the_embedded_store_goes_back_and_forward_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{tmp_path / 'runs.db'}")
    assert run(["db", "status"]) == 5  # there is no file yet
    (tmp_path / "runs.db").touch()
    assert run(["db", "upgrade"]) == 0
    assert run(["db", "downgrade", "1", "--yes"]) == 0
    capsys.readouterr()
    assert run(["--json", "db", "status"]) == 3
    assert _told(capsys)["present"] == 1


@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql://host:abc/x"])
def test_an_address_that_is_none_is_a_line_and_not_a_traceback(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATERSHIP_STORE_URL", url)
    assert run(["db", "status"]) == Exit.USAGE
    assert "fix: Set store.url to" in capsys.readouterr().err
