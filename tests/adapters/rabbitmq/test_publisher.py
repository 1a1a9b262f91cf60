"""Whoever publishes hears of an end in our own words, also in the moment before anybody else has noticed it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiormq
import pytest
from aiormq.abc import AbstractConnection
from pamqp.commands import Basic

from tests.adapters.rabbitmq.world import world
from watership.adapters.rabbitmq.calls import Lost
from watership.adapters.rabbitmq.publisher import Publisher
from watership.durable.ids import random_ids
from watership.errors import BadInput


@asynccontextmanager
async def alone(url: str) -> AsyncIterator[tuple[Publisher, AbstractConnection]]:
    """A publisher on a connection that nobody watches."""
    async with world(url) as here:
        publisher = Publisher(here.broker.publishing, random_ids())
        connection = await aiormq.connect(url)
        await publisher.open(connection)
        yield publisher, connection
        await connection.close()


async def test_a_publisher_whose_channel_is_closed_says_lost(rabbit_url: str) -> None:
    async with alone(rabbit_url) as (publisher, connection):
        await connection.close()
        with pytest.raises(Lost):
            await publisher.publish(b"x", exchange="", key="q", properties=Basic.Properties())


async def test_a_publisher_whose_channel_is_closed_is_not_able(rabbit_url: str) -> None:
    async with alone(rabbit_url) as (publisher, connection):
        before = publisher.able
        await connection.close()
        assert (before, publisher.able) == (True, False)


async def test_headers_that_cannot_be_written_are_the_callers_mistake(rabbit_url: str) -> None:
    async with alone(rabbit_url) as (publisher, _):
        properties = Basic.Properties(headers={"h": 1e300})
        with pytest.raises(BadInput):
            await publisher.publish(b"x", exchange="", key="q", properties=properties)
        assert publisher.able
