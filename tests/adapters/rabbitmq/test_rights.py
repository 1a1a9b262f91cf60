"""The rights that the documentation asks for are enough, and no more are used."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import urlsplit

import pika
import pytest

from tests.adapters.rabbitmq.world import GREEN, POOL, until, wakeup, world
from tests.notes import Notes
from watership.adapters.rabbitmq.broker import Broker
from watership.adapters.rabbitmq.calls import connected
from watership.adapters.rabbitmq.declaration import apply
from watership.adapters.rabbitmq.topology import plan
from watership.durable.ids import random_ids
from watership.errors import NotFound, Unavailable
from watership.testing.servers import RabbitServer

OURS = r"^watership\..*"
DOCUMENT = Path(__file__).parents[3] / "docs" / "rabbitmq.md"


async def as_user(
    server: RabbitServer, url: str, name: str, configure: str, *, write: str = ".*", read: str = OURS
) -> str:
    """The address for a user who may configure, write and read only that much."""
    vhost = urlsplit(url).path.removeprefix("/")

    def make() -> None:
        server.ctl("add_user", f"{name}-{vhost}", "secret")
        server.ctl("set_permissions", "-p", vhost, f"{name}-{vhost}", configure, write, read)

    await asyncio.to_thread(make)
    return url.replace("guest:guest", f"{name}-{vhost}:secret")


async def carries(url: str) -> None:
    async with world(url) as here, here.wakeups() as wakeups:
        here.post(wakeup("r"))
        await until(lambda: wakeups.take(1) == ("r",))
        await here.broker.ping()
        assert here.notes.count("broker lost") == 0


async def test_the_documented_rights_are_enough(rabbit_server: RabbitServer, rabbit_url: str) -> None:
    await carries(await as_user(rabbit_server, rabbit_url, "service", r"^watership\..*"))


async def test_who_may_configure_pings_alone_works_on_what_was_applied_before(
    rabbit_server: RabbitServer, rabbit_url: str
) -> None:
    async with connected(rabbit_url, name="test") as connection:
        await apply(connection, plan([GREEN], [POOL]))
    await carries(await as_user(rabbit_server, rabbit_url, "guarded", r"^watership\.v1\.ping\..*"))


async def test_who_may_configure_nothing_is_told(rabbit_server: RabbitServer, rabbit_url: str) -> None:
    url = await as_user(rabbit_server, rabbit_url, "nobody", "^$")
    async with connected(url, name="test") as connection:
        with pytest.raises(NotFound):
            await apply(connection, plan([], []))
    async with Broker(url, name="test", observer=Notes(), new_id=random_ids()) as broker:
        await until(lambda: "not connected yet" not in broker.publishing.reason)
        with pytest.raises(Unavailable):
            await broker.ping()


async def test_the_rights_documented_for_a_client_let_it_ask_and_hear_and_no_more(
    rabbit_server: RabbitServer, rabbit_url: str
) -> None:
    async with connected(rabbit_url, name="test") as connection:
        await apply(connection, plan([], []))
    line = re.search(r"set_permissions -p watership orders '(.*)' '(.*)' '(.*)'", DOCUMENT.read_text())
    assert line is not None
    configure, write, read = line.groups()
    url = await as_user(rabbit_server, rabbit_url, "orders", configure, write=write, read=read)

    def ask() -> None:
        with pika.BlockingConnection(pika.URLParameters(url)) as client:
            channel = client.channel()
            channel.confirm_delivery()
            answers = channel.queue_declare("", exclusive=True).method.queue
            asked = pika.BasicProperties(message_id="m", reply_to=answers)
            channel.basic_publish("watership.inbox", "hello", b"{}", asked, mandatory=True)
            assert next(channel.consume(answers, inactivity_timeout=0.01)) == (None, None, None)
            with pytest.raises(pika.exceptions.ChannelClosedByBroker):
                client.channel().queue_purge("watership.v1.inbox")

    await asyncio.to_thread(ask)
