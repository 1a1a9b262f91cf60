"""An environment on this machine: up, down, and up again with what it kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from watership.config import load
from watership.durable.ids import DeploymentId
from watership.errors import Conflict, NotFound
from watership.fleet.deployment import DeploymentState
from watership.releases.ports import InstanceState
from watership.wiring.environment import Layout, LocalEnvironment, check_build
from watership.wiring.system import open_system

APP = """
from watership import App

app = App("one")
"""


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "app.py").write_text(APP)
    (folder / "build.toml").write_text('version = "1.0.0"\nreads = [0, 0]\n')
    return folder


def test_what_was_taken_down_comes_up_again_on_its_own_data(tmp_path: Path, build: Path) -> None:
    async def twice() -> list[DeploymentId]:
        stood = []
        for _ in range(2):
            local = LocalEnvironment(load(tmp_path, {}))
            await local.up("127.0.0.1:0")
            try:
                deployment = await local.establish(build, layout=Layout(serve=1, workers=1))
                stood.append(deployment.id)
            finally:
                await local.down()
        return stood

    first, second = asyncio.run(twice())
    assert first == second


def test_workers_of_a_deployment_that_lingers_come_back_by_hand(tmp_path: Path, build: Path) -> None:
    async def revived() -> list[tuple[str, str, InstanceState]]:
        local = LocalEnvironment(load(tmp_path, {}))
        await local.up("127.0.0.1:0")
        try:
            standing = await local.establish(build, layout=Layout(serve=1, workers=0))
            old = replace(standing, id=DeploymentId("old-1"), state=DeploymentState.LINGERING)
            async with await open_system(local.config) as store:
                await store.put(old)
            await local.revive("old-1", workers=1, slots=4)
            there = await local.hosts.instances()
            with pytest.raises(NotFound, match="no deployment nobody"):
                await local.revive("nobody", workers=1, slots=4)
            with pytest.raises(Conflict, match="stands in green"):
                await local.revive(standing.id, workers=1, slots=4)
            (build / "app.py").write_text(APP + "# changed")
            with pytest.raises(Conflict, match="holds another build"):
                await local.revive("old-1", workers=1, slots=4)
            return [(each.deployment, each.role, each.state) for each in there]
        finally:
            await local.down()

    there = asyncio.run(revived())
    assert ("old-1", "worker", InstanceState.READY) in there
    assert [role for deployment, role, _ in there if deployment == "old-1"] == ["worker"]


def test_a_folder_that_is_no_build_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"build\.toml"):
        check_build(tmp_path)
