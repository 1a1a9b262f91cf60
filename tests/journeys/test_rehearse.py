"""`watership release rehearse` on real processes: a small build is promoted, its controller killed, and taken back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.greeters import build
from watership.rehearsal.points import WRITES

SECONDS = 600


class Project:
    """A folder with a settings file, in which commands are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def says(self, *words: str, code: int = 0) -> str:
        bare = {name: value for name, value in os.environ.items() if not name.startswith("WATERSHIP_")}
        done = subprocess.run(
            [sys.executable, "-m", "watership", *words],
            cwd=self.folder,
            env=bare,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def rehearsed(self, *words: str) -> dict[str, Any]:
        got: dict[str, Any] = json.loads(self.says("--json", "release", "rehearse", *words, "--as", "ada"))
        return got


def planned(folder: Path, settings: str = "") -> Project:
    """A project whose 1.0.0 serves, and whose 1.1.0 is planned."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "watership.toml").write_text(f'[environment]\nname = "here"\n{settings}\n')
    project = Project(folder)
    live, nxt = build(folder / "greeter-1.0.0", "1.0.0", 1), build(folder / "greeter-1.1.0", "1.1.0", 2)
    project.says("environment", "up", str(live), "--listen", "127.0.0.1:0")
    try:
        project.says("release", "plan", str(nxt), "--as", "ada", "--name", "r1")
    except BaseException:
        project.says("environment", "down")
        raise
    return project


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("p")
    made = planned(folder)
    yield made
    made.says("environment", "down")
    shutil.rmtree(folder, ignore_errors=True)


def test_a_plan_is_rehearsed_on_servers_of_its_own_and_its_record_proves_it_until_something_changes(
    project: Project, nightly: bool
) -> None:
    before = project.says("environment", "show")

    deaths = 3 if nightly else 0

    got = project.rehearsed("--crash", str(deaths or "none"), "--lanes", "1")

    assert got["faults"] == [] and got["takes"] == 1 + deaths
    assert got["promoted"] == got["way_back"]["times"] == 1 + deaths and got["way_back"]["longest"] < 60
    assert got["kills"]["killed"] == deaths and got["kills"]["points"] > 200
    assert got["requests"] > 100 and (got["failed"], got["lost"]) == (0, 0)
    assert "cutover/sight" in got["left_out"], "how much a gate sees is production's affair"
    assert project.says("environment", "show") == before, "the environment that the plan is for is as it was"
    (record,) = (project.folder / "evidence" / "rehearsals").iterdir()
    assert json.loads(record.read_text())["next"] == got["next"]
    assert "release.rehearsed" in project.says("audit", "list")
    refused = project.says("release", "rehearse", "--crash", "soon", "--as", "ada", code=2)
    assert refused == ""


@pytest.mark.parametrize("proxy", ["embedded", "haproxy"])
def test_killed_at_the_first_of_each_write_every_release_ends_and_everything_agrees(
    proxy: str, tmp_path_factory: pytest.TempPathFactory, nightly: bool
) -> None:
    if not nightly:
        pytest.skip("some forty releases: the large numbers are the night's")
    project = planned(tmp_path_factory.mktemp("p"), f'proxy = "{proxy}"')
    try:
        got = project.rehearsed("--crash", "each", "--lanes", "2", "--within", "30m")
    finally:
        project.says("environment", "down")
    assert got["faults"] == []
    assert got["kills"]["killed"] >= len(WRITES)
    print(f"{proxy}: killed at {got['kills']['killed']} of {got['kills']['points']} places: {got}")  # noqa: T201
