"""An environment on this machine: up, down, and up again with what it kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from watership.config import load
from watership.durable.ids import DeploymentId
from watership.errors import NotFound
from watership.wiring.environment import Layout, LocalEnvironment, check_build

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


def test_a_folder_that_is_no_build_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"build\.toml"):
        check_build(tmp_path)
