"""An environment that does not come up leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from watership.config import load
from watership.errors import NotFound, Unavailable
from watership.wiring.environment import Layout, LocalEnvironment


@pytest.fixture
def local() -> Iterator[LocalEnvironment]:
    """In a folder with a short path, since there will be sockets in it."""
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        (Path(folder) / "watership.toml").write_text('[environment]\nname = "little"\n')
        yield LocalEnvironment(load(Path(folder), {}))


async def test_what_a_failed_start_had_started_is_ended(local: LocalEnvironment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unavailable, match="router process ended") as failed:
            await local.up(f"127.0.0.1:{taken.getsockname()[1]}")
    assert "--listen" in failed.value.fix
    with pytest.raises(Unavailable):
        await local.hosts.instances()
    with pytest.raises(NotFound, match="There is no environment"):
        await local.down()


def test_who_looks_where_nothing_is_up_learns_how_to_begin(local: LocalEnvironment) -> None:
    with pytest.raises(NotFound) as absent:
        local.require_up()
    assert absent.value.fix == "watership environment up BUILD"


async def test_an_agent_that_died_is_started_again_to_end_its_processes_and_nothing_is_said_to_be_down_before(
    local: LocalEnvironment,
) -> None:
    build = local.places.folder.parent / "build"
    build.mkdir()
    (build / "build.toml").write_text('version = "1.0.0"\n')
    (build / "app.py").write_text('from watership import App\n\napp = App("little")\n')
    await local.up("127.0.0.1:0")
    wishes = local.places.folder / "hosts" / "wishes.json"
    try:
        standing = await local.establish(build, layout=Layout(serve=1, workers=0))
    except BaseException:
        await local.down()
        raise
    (serving,), kept = await local.hosts.instances(), wishes.read_bytes()
    try:
        wishes.write_bytes(b"{")
        agent = _pids(local)["hosts"]
        os.kill(agent, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, agent, 0)
        with pytest.raises(Unavailable, match=rf"Left to themselves: {standing.id}-serve-0\."):
            await local.down()
        assert _lives(serving.pid)
    finally:
        wishes.write_bytes(kept)
        await local.down()

    assert not _lives(serving.pid)
    with pytest.raises(NotFound):
        local.require_up()


def _pids(local: LocalEnvironment) -> dict[str, int]:
    return msgspec.json.decode(local.places.processes.read_bytes(), type=dict[str, int])


def _lives(pid: int | None) -> bool:
    """Whether it runs; one that nobody has buried does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
