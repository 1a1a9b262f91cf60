"""What `watership doctor` finds."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.contracts.postgres import emptied
from watership.adapters.postgres import PostgresStore
from watership.adapters.rabbitmq import examination as rabbitmq
from watership.config import load
from watership.durable.ids import DeploymentId, WorkerId
from watership.durable.states import RunState
from watership.durable.writes import Renew
from watership.fleet.finding import Finding
from watership.testing.servers import PostgresServer
from watership.wiring.examination import examine, examine_servers, told
from watership.wiring.routes import examine_routes
from watership.wiring.topology import apply_to, planned


async def test_an_empty_store_has_no_run_that_is_stuck(tmp_path: Path) -> None:
    config = load(tmp_path, {"WATERSHIP_STORE_URL": f"sqlite:///{tmp_path / 'store.db'}"})
    assert [each.state for each in await examine(config) if each.what == "Runs"] == ["ok"]


def test_runs_that_wait_for_a_decision_are_a_warning_that_says_how_to_find_them() -> None:
    one, other = DeploymentId("one"), DeploymentId("other")
    found = told({(one, RunState.IN_DOUBT): 2, (other, RunState.IN_DOUBT): 1, (one, RunState.RUNNING): 9})
    assert (found.state, found.detail) == ("warning", "3 in doubt")
    assert found.fix == "watership run list --state in_doubt"


async def test_a_production_that_asks_nobody_for_a_token_has_a_problem(tmp_path: Path) -> None:
    async def tokens(**more: str) -> tuple[str, str]:
        config = load(tmp_path, {"WATERSHIP_STORE_URL": f"sqlite:///{tmp_path / 'store.db'}", **more})
        (found,) = [each for each in await examine_servers(config) if each.what == "Tokens"]
        return found.state, found.fix

    state, fix = await tokens()
    assert state == "problem"
    assert "WATERSHIP_SECRET" in fix
    assert await tokens(WATERSHIP_SECRET="s" * 64) == ("ok", "")


async def test_queues_that_are_missing_for_new_work_are_a_problem_and_its_fix_mends_it(
    tmp_path: Path, postgres_url: str, rabbit_url: str
) -> None:
    green = DeploymentId("green-1")
    url = await emptied(postgres_url)
    config = load(tmp_path, {"WATERSHIP_STORE_URL": url, "WATERSHIP_BROKER_URL": rabbit_url})
    async with await PostgresStore.open(url) as store:
        await store.set_weights({green: 100}, epoch=1)
        renewal = Renew(
            worker=WorkerId("w"), deployment=green, pool="gpu", slots=1, lease_seconds=15.0, runs={}
        )
        await store.write([renewal])
    found = await examine_routes(config)
    assert found.state == "problem"
    assert "gpu" in found.detail
    assert found.fix == "watership topology apply --deployment green-1 --pool gpu"
    await apply_to(config.broker, planned(None, [green], ["gpu"]))
    after = await examine_routes(config)
    assert (after.state, "none is missing" in after.detail) == ("unknown", True), "AMQP lists no bindings"


async def test_a_command_that_is_printed_can_be_pasted_into_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "CTL", "no-such-command")
    found = await rabbitmq._timeout()
    assert shlex.split(found.fix) == ["no-such-command", *rabbitmq.ASK]


async def test_doctor_says_what_is_wrong_with_each_address_and_its_mend(
    tmp_path: Path, postgres_url: str, rabbit_url: str, redis_url: str
) -> None:
    async def told(**urls: str) -> dict[str, Finding]:
        right = {"store": postgres_url, "broker": rabbit_url, "cache": redis_url} | urls
        config = load(tmp_path, {f"WATERSHIP_{name.upper()}_URL": url for name, url in right.items()})
        return {each.what: each for each in await examine_servers(config)}

    found = await told(
        store="postgresql://u:hunter/2@host:1/x", cache=redis_url.rpartition("/")[0] + "/99999"
    )
    assert (found["PostgreSQL"].state, found["Routes"].fix) == ("problem", found["PostgreSQL"].fix)
    assert "hunter" not in str(found)
    assert "port is no number" in found["PostgreSQL"].detail
    assert "refuses us" in found["Redis"].detail
    found = await told(store=postgres_url.rpartition("/")[0] + "/no-such", broker="http://x")
    assert found["PostgreSQL"].fix.startswith("createdb")
    assert "begins with http://" in found["RabbitMQ"].detail
    found = await told(store="mysql://x/y", broker=rabbit_url + "-not")
    assert "begins with mysql://" in found["PostgreSQL"].detail
    assert "no virtual host" in found["RabbitMQ"].detail


async def test_a_database_without_our_tables_is_a_problem_and_its_fix_is_the_upgrade(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    config = load(tmp_path, {"WATERSHIP_STORE_URL": postgres_server.new_database()})
    (found,) = [each for each in await examine_servers(config) if each.what == "Schema"]
    assert (found.state, found.fix) == ("problem", "watership db upgrade")
