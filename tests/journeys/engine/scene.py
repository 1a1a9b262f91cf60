"""The scene of a campaign: what is started for it, and ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from tests.journeys.engine.campaign import Plan
from tests.journeys.engine.faults import Server
from tests.journeys.engine.nemesis import Servers
from tests.journeys.engine.servers import RealServers
from tests.journeys.engine.stage import EmbeddedStage, LinkedStage, Stage
from watership.adapters.postgres.schema import PostgresSchema
from watership.testing.servers.ports import free_port
from watership.testing.servers.postgres import PostgresServer
from watership.testing.servers.rabbitmq import RabbitServer
from watership.testing.servers.redis import RedisServer

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})

Scene = tuple[Stage, Servers | None, Sequence[int]]


def embedded(stack: ExitStack, folder: Path, plan: Plan) -> Scene:
    """SQLite in the campaign's folder."""
    return EmbeddedStage(folder), None, [free_port() for _ in plan.roles()]


def with_servers(
    stack: ExitStack, folder: Path, plan: Plan, broker: Mapping[str, str] = NO_SETTINGS
) -> Scene:
    """Private servers, a link from each process to each of them, and the tables made. `broker`: its settings."""
    postgres = stack.enter_context(PostgresServer(folder / "postgres"))
    rabbit = stack.enter_context(RabbitServer(folder / "rabbitmq", conf=broker))
    redis = stack.enter_context(RedisServer(folder / "redis"))
    urls: dict[Server, str] = {"postgres": postgres.url, "rabbitmq": rabbit.new_vhost(), "redis": redis.url}
    stage = stack.enter_context(LinkedStage(folder, urls, plan.roles()))
    with ThreadPoolExecutor(1) as aside:  # where no loop runs yet
        aside.submit(lambda: asyncio.run(PostgresSchema(postgres.url).upgrade())).result()
    return stage, RealServers(postgres, rabbit, redis, urls), [free_port() for _ in plan.roles()]
