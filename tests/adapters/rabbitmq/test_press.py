"""Many messages go out in one write, and each hears what became of it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiormq
import pytest
from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from tests.adapters.rabbitmq.world import SECONDS, bodies, client, depth
from watership.adapters.rabbitmq.calls import Lost, call, open_channel
from watership.adapters.rabbitmq.press import Press
from watership.errors import BadInput


async def press_on(connection: aiormq.abc.AbstractConnection) -> tuple[Press, aiormq.Channel]:
    channel = await open_channel(connection)
    assert isinstance(channel, aiormq.Channel)
    return Press(channel), channel


async def test_each_message_of_a_burst_has_a_confirm_and_they_keep_their_order(rabbit_url: str) -> None:
    connection = await aiormq.connect(rabbit_url)
    press, channel = await press_on(connection)
    await channel.queue_declare("q")
    confirms = [
        press.publish(
            str(number).encode(),
            exchange="",
            key="q",
            properties=Basic.Properties(message_id=str(number)),
            mandatory=True,
        )
        for number in range(500)
    ]
    await asyncio.gather(*confirms)
    assert channel.confirmations == {}
    assert channel.message_id_delivery_tag == {}
    async with client(rabbit_url) as other:
        assert await bodies(other, "q") == [str(number).encode() for number in range(500)]
    await connection.close()


async def test_only_the_message_that_no_queue_takes_is_returned(rabbit_url: str) -> None:
    connection = await aiormq.connect(rabbit_url)
    press, channel = await press_on(connection)
    await channel.queue_declare("q")
    confirms = [
        press.publish(b"x", exchange="", key=key, properties=Basic.Properties(message_id=id), mandatory=True)
        for id, key in (("1", "q"), ("2", "nowhere"), ("3", "q"))
    ]
    outcomes = await asyncio.gather(*confirms, return_exceptions=True)
    assert [isinstance(outcome, DeliveryError) for outcome in outcomes] == [False, True, False]
    await connection.close()


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 1_000_000])
async def test_a_body_of_any_size_arrives_whole(rabbit_url: str, size: int) -> None:
    connection = await aiormq.connect(rabbit_url)
    press, channel = await press_on(connection)
    await channel.queue_declare("q")
    body = b"x" * size
    await press.publish(
        body, exchange="", key="q", properties=Basic.Properties(message_id="m"), mandatory=True
    )
    async with client(rabbit_url) as other:
        assert await depth(other, "q") == 1
        assert await bodies(other, "q") == [body]
    await connection.close()


async def test_what_waits_for_its_confirm_hears_of_the_end_of_the_connection(rabbit_url: str) -> None:
    connection = await aiormq.connect(rabbit_url)
    press, _ = await press_on(connection)
    confirm = press.publish(
        b"x", exchange="", key="q", properties=Basic.Properties(message_id="m"), mandatory=False
    )
    await connection.close()
    with pytest.raises(Lost):
        await call("publishing", confirm)


@pytest.mark.parametrize(
    ("key", "headers"),
    [("q", {"h": b"\xff"}), ("q", {"h": 1e300}), ("q" * 256, {})],
    ids=["bytes", "huge", "key"],
)
async def test_what_cannot_be_written_is_refused_and_the_next_message_keeps_its_own_confirm(
    rabbit_url: str, key: str, headers: dict[str, Any]
) -> None:
    connection = await aiormq.connect(rabbit_url)
    press, channel = await press_on(connection)
    await channel.queue_declare("q")

    def publish(key: str, id: str, headers: dict[str, Any]) -> asyncio.Future[object]:
        properties = Basic.Properties(message_id=id, headers=headers)
        return press.publish(id.encode(), exchange="", key=key, properties=properties, mandatory=True)

    with pytest.raises(BadInput):
        _ = publish(key, "bad", headers)
    async with asyncio.timeout(SECONDS):
        await publish("q", "good", {})
    assert channel.confirmations == {}
    async with client(rabbit_url) as other:
        assert await bodies(other, "q") == [b"good"]
    await connection.close()
