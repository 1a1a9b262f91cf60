"""What a vigil sees beside the traffic, of processes that really run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from watership.config import load
from watership.fleet.deployment import Slot
from watership.releases.judging.glimpse import look
from watership.wiring.controller import open_desk
from watership.wiring.environment import LocalEnvironment


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path, since there will be sockets in it."""
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        yield Path(folder)


async def test_the_instances_of_an_environment_say_what_they_reach(place: Path) -> None:
    build = place / "build"
    build.mkdir()
    (build / "build.toml").write_text('version = "1.0.0"\n')
    (build / "app.py").write_text('from watership import App\n\napp = App("little")\n')
    (place / "watership.toml").write_text('[environment]\nname = "little"\n')
    config = load(place, {})
    local = LocalEnvironment(config)
    await local.up("127.0.0.1:0")
    try:
        await local.establish(build)
        async with open_desk(config) as desk:
            seen = await look(desk.environment)
    finally:
        await local.down()

    green, blue = seen.of(Slot.GREEN), seen.of(Slot.BLUE)
    assert (green.database, green.rabbitmq) == (True, True)
    assert (blue.database, blue.rabbitmq) == (None, None), "nobody is there who could be asked"
    assert green.disk is not None and 0 < green.disk < 1
