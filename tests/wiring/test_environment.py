"""An environment that does not come up leaves nothing behind."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from watership.config import load
from watership.errors import NotFound, Unavailable
from watership.wiring.environment import LocalEnvironment


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
