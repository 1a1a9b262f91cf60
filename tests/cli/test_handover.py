"""Runs that one build began go on with another one, where its agents would; the others stay where they are."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.cli.orders import begin, build, stranger
from watership.adapters.files.builds import read_build
from watership.adapters.sqlite import SQLiteStore
from watership.cli.main import run
from watership.durable.ids import DeploymentId, RunId
from watership.durable.run import Run
from watership.errors import Unavailable
from watership.fleet.deployment import Deployment, DeploymentState, Slot
from watership.wiring.handover import BuildHandover

LOCAL, OTHER = DeploymentId("local"), DeploymentId("other-1")


@pytest.fixture
def under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both were begun on `local`; `other-1` is a deployment of a build that would not go on with the order."""
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.chdir(tmp_path)
    begin(build(tmp_path / "first", version="1"))
    other = stranger(tmp_path / "other", version="2")
    (other / "build.toml").write_text('version = "2"\n')

    async def register(store: SQLiteStore) -> None:
        facts = {"state": DeploymentState.STANDING, "created_at": datetime.now(UTC)}
        await store.put(Deployment(id=OTHER, build=read_build(other), slot=Slot.BLUE, **facts))  # type: ignore[arg-type]

    asyncio.run(at_store(tmp_path, register))
    return tmp_path


async def at_store(folder: Path, work: object) -> None:
    async with await SQLiteStore.open(folder / "runs.db") as store:
        await work(store)  # type: ignore[operator]


def homes(folder: Path) -> dict[str, DeploymentId]:
    """Where each run is pinned."""
    found: dict[str, DeploymentId] = {}

    async def look(store: SQLiteStore) -> None:
        for name in ("order", "buyer"):
            there = await store.get(RunId(name))
            assert isinstance(there, Run)
            found[name] = there.deployment

    asyncio.run(at_store(folder, look))
    return found


def handed(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, bool]]:
    code = run(
        ["--json", "intake", "handover", "local", "other-1", "--against", str(folder / "other"), *more]
    )
    told = msgspec.json.decode(capsys.readouterr().out)
    return code, {each["run_id"]: each["goes"] for each in told["runs"]}


def test_what_the_other_build_would_go_on_with_is_pinned_to_it(
    under_way: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert handed(under_way, capsys, "--dry-run") == (3, {"order": False, "buyer": True})
    assert homes(under_way) == {"order": LOCAL, "buyer": LOCAL}
    assert handed(under_way, capsys) == (3, {"order": False, "buyer": True})
    assert homes(under_way) == {"order": LOCAL, "buyer": OTHER}
    assert handed(under_way, capsys) == (3, {"order": False})


def test_a_deployment_that_is_not_registered_gets_nothing(
    under_way: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["intake", "handover", "local", "nobody", "--against", str(under_way / "other")]) == 5
    assert run(["intake", "rehome", "local", "nobody"]) == 5
    assert "other-1" in capsys.readouterr().err
    assert homes(under_way) == {"order": LOCAL, "buyer": LOCAL}


def test_runs_without_a_worker_are_stranded_and_what_was_begun_is_not_rehomed(
    under_way: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--json", "intake", "stranded"]) == 3
    assert msgspec.json.decode(capsys.readouterr().out) == [{"deployment": "local", "runs": 2, "state": None}]
    assert run(["--json", "intake", "rehome", "local", "other-1"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out) == {"moved": 0}


async def test_a_controller_has_it_done_by_a_process_of_the_build(under_way: Path) -> None:
    handover = BuildHandover(dict(os.environ))
    told = await handover.hand_over(LOCAL, OTHER, read_build(under_way / "other"))
    assert {each.run_id: each.goes for each in told} == {"order": False, "buyer": True}
    (under_way / "other" / "app.py").write_text("raise SystemExit('broken')")
    with pytest.raises(Unavailable, match="broken"):
        await handover.hand_over(LOCAL, OTHER, read_build(under_way / "other"))
