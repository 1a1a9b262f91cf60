"""An environment whose runs, intake and deployments stand on servers: PostgreSQL, RabbitMQ and Redis."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watership.adapters.postgres.schema import PostgresSchema
from watership.adapters.postgres.store import PostgresStore
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import Config, load
from watership.durable.ids import DeploymentId, RunId
from watership.durable.run import Run
from watership.durable.states import TERMINAL, RunState
from watership.durable.writes import Submit
from watership.errors import Conflict, NotFound, Unavailable
from watership.fleet.deployment import Deployment
from watership.testing.servers import PostgresServer, RabbitServer, RedisServer
from watership.testing.servers.ports import LOOPBACK, free_port
from watership.wiring.controller import open_desk
from watership.wiring.environment import Layout, LocalEnvironment
from watership.wiring.system import open_system

APP = '''
from watership import App

app = App("one")


@app.agent
async def greet(name: str) -> str:
    """Greet a person."""
    return f"Hello, {name}!"
'''

SEEN = 40
"""An epoch that the store has seen from another folder."""


@dataclass(frozen=True, slots=True)
class Up:
    """An environment that is up, and the settings that its commands find."""

    folder: Path
    config: Config
    settings: dict[str, str]
    standing: Deployment


@contextmanager
def little() -> Iterator[Path]:
    """A folder with a short path, since there will be sockets in it, and a build."""
    with tempfile.TemporaryDirectory(prefix="w") as name:
        folder = Path(name)
        (folder / "one").mkdir()
        (folder / "one" / "app.py").write_text(APP)
        (folder / "one" / "build.toml").write_text('version = "1.0.0"\nreads = [0, 0]\n')
        yield folder


@pytest.fixture(scope="module")
def environment(
    postgres_server: PostgresServer, rabbit_server: RabbitServer, redis_server: RedisServer
) -> Iterator[Up]:
    settings = {
        "WATERSHIP_STORE_URL": postgres_server.new_database(),
        "WATERSHIP_BROKER_URL": rabbit_server.new_vhost(),
        "WATERSHIP_CACHE_URL": redis_server.url,
        "WATERSHIP_ENVIRONMENT_DATABASE": postgres_server.new_database(),
    }

    async def up() -> Deployment:
        await PostgresSchema(config.store.url).upgrade()
        async with await PostgresStore.open(config.store.url) as store:
            await store.set_weights({DeploymentId("gone-before"): 100}, epoch=SEEN)
        await local.up(f"{LOOPBACK}:0")
        try:
            return await local.establish(folder / "one", layout=Layout(serve=1, workers=1))
        except BaseException:
            await local.down()
            raise

    with little() as folder:
        config = load(folder, settings)
        local = LocalEnvironment(config)
        standing = asyncio.run(up())
        try:
            yield Up(folder, config, settings, standing)
        finally:
            asyncio.run(local.down())


async def test_what_was_put_in_is_read_back_from_postgresql_under_an_epoch_above_all_that_it_has_seen(
    environment: Up,
) -> None:
    async with await PostgresStore.open(environment.config.store.url) as store:
        (deployment,), intake = await store.all(), await store.read()
    assert deployment == environment.standing
    assert intake.weights == {deployment.id: 100}
    assert intake.epoch > SEEN
    assert not list(environment.folder.rglob("watership.db"))


async def test_the_desk_sees_who_is_live_and_its_runs_are_executed(environment: Up) -> None:
    async with open_desk(environment.config) as desk:
        live = await desk.live()
        assert live.deployment == environment.standing.id
        submit = Submit(
            run_id=RunId("smoke-1"),
            program="greet",
            input=msgspec.Raw(b'{"name":"Ada"}'),
            deployment=live.deployment,
        )
        await desk.environment.work.write([submit])
        async with asyncio.timeout(20):
            while (found := await desk.environment.runs.get(submit.run_id)) is None or going_on(found):
                await asyncio.sleep(0.02)
        assert (found.state, bytes(found.result)) == (RunState.SUCCEEDED, b'"Hello, Ada!"')


def going_on(found: Run) -> bool:
    return found.state not in TERMINAL


def test_commands_find_it_by_the_settings(
    environment: Up, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(environment.folder)
    for name, value in environment.settings.items():
        monkeypatch.setenv(name, value)

    def told(*words: str) -> Any:
        assert run(["--json", *words]) == Exit.OK, capsys.readouterr().err
        return msgspec.json.decode(capsys.readouterr().out)

    assert told("intake", "show")["weights"] == {environment.standing.id: 100}
    assert [each["state"] for each in told("environment", "show")["instances"]] == ["ready", "ready"]
    health = told("health", "live")
    assert health["subject"].endswith(environment.standing.id)
    assert health["failed"] == health["unknown"] == 0, health


async def test_nothing_is_started_beside_a_store_that_has_not_our_schema(postgres_url: str) -> None:
    with little() as folder:
        local = LocalEnvironment(load(folder, {"WATERSHIP_STORE_URL": postgres_url}))
        with pytest.raises(Conflict, match="has schema none"):
            await local.up(f"{LOOPBACK}:0")
        assert not local.places.processes.exists()


async def test_a_desk_opens_though_the_database_of_the_runs_is_down_and_says_so_when_that_is_asked() -> None:
    with little() as folder:
        url = f"postgresql://me@{LOOPBACK}:{free_port()}/runs"
        config = load(folder, {"WATERSHIP_STORE_URL": url})
        with pytest.raises(NotFound, match="There is no environment"):
            async with open_desk(config):
                pass
        os.mkdir(config.environment.state)
        async with open_desk(config) as desk:
            with pytest.raises(Unavailable):
                await desk.live()


async def test_a_store_that_is_not_waited_for_is_asked_for_its_schema_before_anything_else(
    postgres_url: str,
) -> None:
    with little() as folder:
        config = load(folder, {"WATERSHIP_STORE_URL": postgres_url})
        async with await open_system(config) as store:
            with pytest.raises(Conflict, match="has schema none"):
                await store.read()
            await PostgresSchema(postgres_url).upgrade()
            assert (await store.read()).weights == {}
