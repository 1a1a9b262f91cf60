"""The doctor's exit code says what it found, and unknown is not fine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from watership.cli.exits import Exit
from watership.cli.main import run


def test_what_could_not_be_seen_is_no_success(
    postgres_url: str,
    rabbit_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WATERSHIP_STORE_URL", postgres_url)
    monkeypatch.setenv("WATERSHIP_BROKER_URL", rabbit_url)
    monkeypatch.setenv("WATERSHIP_SECRET", "0123456789abcdef0123456789abcdef")
    assert run(["db", "upgrade"]) == 0
    assert run(["topology", "apply"]) == 0
    capsys.readouterr()
    code = run(["--json", "doctor", "--prod"])
    told = msgspec.json.decode(capsys.readouterr().out)
    assert told["problems"] == 0, told
    assert told["unknown"] > 0, "nobody can see bindings and alarms without the management API"
    assert code == Exit.INCONCLUSIVE


def test_a_sound_embedded_store_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATERSHIP_HTTP_PORT", "0")
    assert run(["--json", "doctor"]) == Exit.OK, capsys.readouterr().out


def test_the_file_that_was_read_is_named_for_it_may_be_one_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "within").mkdir()
    monkeypatch.setenv("WATERSHIP_HTTP_PORT", "0")
    monkeypatch.chdir(tmp_path / "within")
    run(["doctor"])
    assert "no watership.toml" in capsys.readouterr().out
    (tmp_path / "watership.toml").write_text("")
    run(["doctor"])
    assert f"{tmp_path}/watership.toml is read" in capsys.readouterr().out
