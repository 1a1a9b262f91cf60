"""What a vigil sees beside the traffic, of processes that really run."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from tests.conftest import started
from tests.contracts.http_peers import until
from watership.config import load
from watership.fleet.deployment import Slot
from watership.releases.judging.feed import Subject
from watership.releases.judging.glimpse import Glimpse, look
from watership.releases.judging.nearby import CHECKED_SECONDS
from watership.releases.judging.sources import blind
from watership.releases.plan import Overrides, Plan, Size
from watership.releases.ports import TrafficTick
from watership.testing.servers import PrometheusServer
from watership.wiring.controller import open_desk
from watership.wiring.desk import Desk
from watership.wiring.environment import LocalEnvironment

APP = """
from watership import App

app = App("little")


@app.get("/boom")
async def boom(parameters: dict[str, str]) -> object:
    raise RuntimeError("nobody expects this")
"""


def corrupt(database: Path) -> None:
    """A row that refers to one that is not there: what SQLite's own checks find."""
    with sqlite3.connect(database) as connection:
        connection.executescript(
            "CREATE TABLE facts (id INTEGER PRIMARY KEY);"
            "CREATE TABLE sources (fact INTEGER REFERENCES facts (id));"
            "INSERT INTO sources VALUES (7);"
        )
    connection.close()


def a_minute_old(glimpse: Glimpse) -> Glimpse:
    """The database checks itself once a minute."""
    assert glimpse.soundness is not None
    before = glimpse.soundness.at - timedelta(seconds=CHECKED_SECONDS)
    return structs.replace(glimpse, soundness=structs.replace(glimpse.soundness, at=before))


@dataclass(frozen=True, kw_only=True)
class Little:
    """A little environment with its live build, and the build that is to be next."""

    folder: Path
    local: LocalEnvironment
    other: Path
    live: str
    """Where live's one instance answers."""


def little_build(folder: Path, version: str) -> Path:
    folder.mkdir()
    (folder / "build.toml").write_text(f'version = "{version}"\n')
    (folder / "app.py").write_text(APP)
    (folder / "smoke.yaml").write_text("requests:\n  - { name: alive, path: /livez }\n")
    return folder


@pytest.fixture(scope="module")
def little() -> Iterator[Little]:
    with tempfile.TemporaryDirectory(prefix="w") as name:  # a short path, since there will be sockets in it
        folder = Path(name)
        build, other = little_build(folder / "build", "1.0.0"), little_build(folder / "other", "1.1.0")
        (folder / "watership.toml").write_text('[environment]\nname = "little"\n')
        local = LocalEnvironment(load(folder, {}))

        async def begun() -> str:
            await local.up("127.0.0.1:0")
            await local.establish(build)
            return (await local.router.read()).targets[Slot.GREEN][0]

        live = asyncio.run(begun())
        try:
            yield Little(folder=folder, local=local, other=other, live=live)
        finally:
            asyncio.run(local.down())


@pytest.fixture(scope="module")
def prometheus(little: Little) -> Iterator[PrometheusServer]:
    yield from started(lambda: PrometheusServer(targets={"watership": [little.live]}, interval="250ms"))


async def drawn(desk: Desk, little: Little) -> Plan:
    draft = await desk.draw(
        little.other, release=None, starter="Sam", overrides=Overrides(), size=Size(), book="one-machine"
    )
    return draft.plan


async def test_a_prometheus_tells_the_traffic_and_the_figures_of_an_environment(
    little: Little, prometheus: PrometheusServer
) -> None:
    config = load(
        little.folder,
        {
            "WATERSHIP_ENVIRONMENT_PROMETHEUS": prometheus.url,
            "WATERSHIP_ENVIRONMENT_METRICS": "prometheus",
            "WATERSHIP_METRICS_EVERY": "1",
        },
    )
    async with open_desk(config) as desk:
        env, plan, since = desk.environment, await drawn(desk, little), int(time.time())
        ticks: Sequence[TrafficTick] = ()

        async def counted() -> bool:
            nonlocal ticks
            await env.probe.request("GET", f"http://{little.live}/openapi.json")
            ticks = (await env.metrics.ticks(after=since, until=int(time.time()) - 1))[Slot.GREEN]
            return sum(tick.requests for tick in ticks) >= 3

        await until(counted)
        seen = (await look(env, plan)).of(Slot.GREEN)
        assert env.kept is not None
        told = await env.kept.ask(plan.feeds, Subject(slot=Slot.GREEN, deployment=plan.live.deployment))

    assert env.every == 1 and all(tick.errors == 0 for tick in ticks), "the scrapes themselves are no traffic"
    assert all(sum(tick.latencies.values()) == tick.requests for tick in ticks)
    assert told.reading.cpu is not None and told.reading.query_time is not None
    assert told.reading.happened == {"unhandled_in_critical_path": False}
    # No node_exporter is scraped here, nobody cached, and no rule is loaded.
    assert set(told.unknown) == {"memory", "disk", "cache_hit_rate", "out_of_memory", "security_breach"}
    assert seen.memory is not None and seen.happened["out_of_memory"] is False, (
        "the host shows them by itself"
    )


async def test_the_instances_of_an_environment_say_what_they_reach(little: Little) -> None:
    async with open_desk(load(little.folder, {})) as desk:
        env, plan = desk.environment, await drawn(desk, little)
        before = await look(env, plan)
        answer = await env.probe.request("GET", f"http://{little.live}/boom")
        seen = await look(env, plan, [before])
        corrupt(little.local.places.database)
        later = await look(env, plan, [a_minute_old(seen)])

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
    assert later.of(Slot.GREEN).happened["data_corruption"], "and it was not there at the first look"
    assert blue.happened == {"data_corruption": False, "security_breach": False}, (
        "what both share is known of both"
    )
    assert green.cache_hit_rate is None, "there is no cache here"
    assert blind(plan.fuses, plan.sources) == ()
