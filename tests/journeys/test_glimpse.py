"""What a vigil sees beside the traffic, of processes that really run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from watership.config import load
from watership.fleet.deployment import Slot
from watership.releases.judging.glimpse import look
from watership.releases.judging.sources import blind
from watership.releases.plan import Overrides, Size
from watership.wiring.controller import open_desk
from watership.wiring.environment import LocalEnvironment

APP = """
from watership import App

app = App("little")


@app.get("/boom")
async def boom(parameters: dict[str, str]) -> object:
    raise RuntimeError("nobody expects this")
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path, since there will be sockets in it."""
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        yield Path(folder)


async def test_the_instances_of_an_environment_say_what_they_reach(place: Path) -> None:
    build = place / "build"
    build.mkdir()
    (build / "build.toml").write_text('version = "1.0.0"\n')
    (build / "app.py").write_text(APP)
    other = place / "other"
    other.mkdir()
    (other / "build.toml").write_text('version = "1.1.0"\n')
    (other / "app.py").write_text(APP)
    (other / "smoke.yaml").write_text("requests:\n  - { name: alive, path: /livez }\n")
    (place / "watership.toml").write_text('[environment]\nname = "little"\n')
    config = load(place, {})
    local = LocalEnvironment(config)
    await local.up("127.0.0.1:0")
    try:
        await local.establish(build)
        async with open_desk(config) as desk:
            draft = await desk.draw(
                other, release=None, starter="Sam", overrides=Overrides(), size=Size(), book="one-machine"
            )
            before = await look(desk.environment, draft.plan)
            live = (await desk.environment.router.read()).targets[Slot.GREEN][0]
            answer = await desk.environment.probe.request("GET", f"http://{live}/boom")
            seen = await look(desk.environment, draft.plan, [before])
    finally:
        await local.down()

    green, blue = seen.of(Slot.GREEN), seen.of(Slot.BLUE)
    assert (green.database, green.rabbitmq) == (True, True)
    assert (blue.database, blue.rabbitmq) == (None, None), "nobody is there who could be asked"
    assert green.disk is not None and 0 < green.disk < 1
    assert green.cpu is not None and green.cpu >= 0
    assert green.memory is not None and 0.0001 < green.memory < 0.9, "three Pythons of some tens of megabytes"
    assert green.query_time is not None and 0 < green.query_time < 2
    assert (blue.cpu, blue.memory, blue.query_time) == (None, None, None)
    well = {"out_of_memory": False, "unhandled_in_critical_path": False, "security_breach": False}
    assert before.of(Slot.GREEN).happened == well | {"feature_failure": False, "data_corruption": False}
    assert answer.status == 500, "nobody catches what this path raises"
    assert green.happened == well | {"feature_failure": True, "data_corruption": False}
    assert blue.happened == {"data_corruption": False, "security_breach": False}, (
        "what both share is known of both"
    )
    assert green.cache_hit_rate is None, "there is no cache here"
    assert blind(draft.plan.fuses, draft.plan.sources) == ()
