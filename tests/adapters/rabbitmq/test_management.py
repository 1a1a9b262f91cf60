"""With the management API even bindings are seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import started
from watership.adapters.rabbitmq.calls import connected
from watership.adapters.rabbitmq.declaration import Standing, apply, verify
from watership.adapters.rabbitmq.management import bindings
from watership.adapters.rabbitmq.topology import DEAD, DEAD_QUEUE, plan
from watership.errors import Unavailable
from watership.testing.servers import RabbitServer
from watership.testing.servers.ports import free_port


@pytest.fixture
def managed() -> Iterator[tuple[RabbitServer, str]]:
    port = free_port()
    conf = {"management.tcp.port": str(port), "management.tcp.ip": "127.0.0.1"}
    for server in started(lambda: RabbitServer(conf=conf, plugins=["rabbitmq_management"])):
        yield server, f"http://127.0.0.1:{port}"


async def test_a_binding_that_was_taken_away_is_missing(managed: tuple[RabbitServer, str]) -> None:
    server, management = managed
    declarations = plan([], [])
    async with connected(server.url, name="test") as connection:
        await apply(connection, declarations)
        seen = await bindings(management, server.url)
        assert {one.standing for one in await verify(connection, declarations, bindings=seen)} == {
            Standing.SAME
        }
        channel = await connection.channel()
        await channel.queue_unbind(DEAD_QUEUE, DEAD, routing_key="#")
        seen = await bindings(management, server.url)
        found = {one.name: one.standing for one in await verify(connection, declarations, bindings=seen)}
        assert found[f"{DEAD} -#-> {DEAD_QUEUE}"] is Standing.MISSING


async def test_an_address_where_nobody_answers_is_told() -> None:
    with pytest.raises(Unavailable, match="does not tell the bindings"):
        await bindings(f"http://127.0.0.1:{free_port()}", "amqp://guest:guest@127.0.0.1/")
