"""watership intake tells and sets which deployments take new work, where no release does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from watership.adapters.sqlite import SQLiteStore
from watership.cli.main import run
from watership.durable.ids import DeploymentId

GREEN, BLUE = DeploymentId("green-1"), DeploymentId("blue-2")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "runs.db"
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{path}")
    return path


def test_weights_are_set_and_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["intake", "show"]) == 0
    assert "watership intake set" in capsys.readouterr().out
    assert run(["intake", "set", "green-1=90", "blue-2=10"]) == 0
    capsys.readouterr()
    assert run(["--json", "intake", "show"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["weights"] == {"green-1": 90, "blue-2": 10}


@pytest.mark.parametrize("shares", [["green-1"], ["green-1=most"], ["=100"], ["green-1=50"], ["green-1=101"]])
def test_what_is_no_share_changes_nothing(store: Path, shares: list[str]) -> None:
    assert run(["intake", "set", *shares]) == 2
    assert run(["intake", "set", "green-1=100"]) == 0


def test_a_release_that_shifts_work_is_not_disturbed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def arm() -> None:
        async with await SQLiteStore.open(store) as opened:
            await opened.set_weights({GREEN: 50, BLUE: 50}, epoch=3, hold_seconds=60, last_safe={GREEN: 100})

    asyncio.run(arm())
    assert run(["intake", "set", "green-1=100"]) == 6
    assert "release status" in capsys.readouterr().err
