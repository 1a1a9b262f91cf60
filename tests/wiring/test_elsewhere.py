"""An environment whose instances run on other machines: begun, planned for, and ended by what is told over SSH."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.machines.machines import Machines, image_of
from watership.adapters.files.builds import read_build
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import load
from watership.errors import Conflict, Fenced
from watership.fleet.deployment import Slot
from watership.wiring.environment import Layout, LocalEnvironment


@pytest.fixture
def folder(two_machines: Machines) -> Iterator[Path]:
    """A project whose instances are containers of two machines, with two builds and their images."""
    server = two_machines.server
    with tempfile.TemporaryDirectory(prefix="w") as place:
        found = Path(place)
        (found / "watership.toml").write_text(
            f"""
[environment]
name = "elsewhere"
[hosts]
kind = "compose"
machines = "{", ".join(two_machines.names)}"
folder = "{two_machines.folder}"
first_port = {two_machines.first_port}
ssh_user = "{server.login}"
ssh_port = {server.port}
ssh_key = "{server.key}"
ssh_known_hosts = "{server.known_hosts}"
"""
        )
        for name, version in (("one", "1.0.0"), ("two", "1.1.0")):
            (found / name).mkdir()
            (found / name / "build.toml").write_text(f'version = "{version}"\n')
            (found / name / "app.py").write_text('from watership import App\n\napp = App("little")\n')
            (found / name / "smoke.yaml").write_text(
                "requests: [{ name: health, path: /health }]\nmessages: []\n"
            )
            build = read_build(found / name)
            (found / f"{name}.image").write_text(image_of(build))
            two_machines.registry[image_of(build)] = build
        yield found


async def test_a_build_is_put_on_machines_and_its_instances_are_what_the_router_sends_to(
    folder: Path, two_machines: Machines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local = LocalEnvironment(load(folder, {}))
    await local.up("127.0.0.1:0")
    try:
        standing = await local.establish(folder / "one", layout=Layout(serve=3, workers=1))
        state = await local.router.read()
        first = two_machines.first_port
        one, two = two_machines.names
        assert state.targets[Slot.GREEN] == (f"{one}:{first}", f"{two}:{first + 1}", f"{one}:{first + 2}")
        assert state.weights[Slot.GREEN] == 100
        # Nobody of this machine keeps them: a second one that was begun before may act no more.
        with pytest.raises(Fenced):
            await local.hosts.stop(standing.id, grace_seconds=1, epoch=0)

        monkeypatch.chdir(folder)
        plan = await asyncio.to_thread(run, ["release", "plan", "two", "--as", "ada", "--name", "r1"])
        assert plan == Exit.OK, capsys.readouterr().err
        before = [len(two_machines.calls(each)) for each in two_machines.names]
        capsys.readouterr()
        assert await asyncio.to_thread(run, ["deploy", "blue", "--dry-run"]) == Exit.OK
        told = capsys.readouterr().out
        assert f"{one}$ docker pull --quiet {image_of(read_build(folder / 'two'))}" in told
        assert [len(two_machines.calls(each)) for each in two_machines.names] == before
        assert await asyncio.to_thread(run, ["deploy", "green", "--dry-run"]) == Exit.CONFLICT
    finally:
        await local.down()
    assert two_machines.instances() == {}
    with pytest.raises(Conflict):
        await local.hosts.stop(standing.id, grace_seconds=1, epoch=0)
