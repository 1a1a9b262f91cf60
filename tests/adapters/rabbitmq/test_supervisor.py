"""The connection comes back, whatever became of it, and nothing that stands in the outbox is lost meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.adapters.rabbitmq.world import GREEN, POOL, SECONDS, World, client, until, wakeup, world
from tests.conftest import started
from tests.notes import Notes
from watership.adapters.rabbitmq.broker import Broker
from watership.adapters.rabbitmq.calls import connect
from watership.adapters.rabbitmq.topology import wakeup_queue
from watership.adapters.rabbitmq.wakeups import RabbitWakeups
from watership.durable.ids import random_ids
from watership.errors import BadInput, NotAllowed, Unavailable, WatershipError
from watership.testing.servers import RabbitServer
from watership.testing.servers.ports import free_port


@pytest.fixture(scope="module")
def own_server() -> Iterator[RabbitServer]:
    """One that these tests may stop, freeze and starve."""
    yield from started(RabbitServer)


async def drained(here: World, wakeups: RabbitWakeups, wanted: set[str]) -> None:
    """Take and settle until every one of `wanted` has come at least once."""
    seen: set[str] = set()

    def all_came() -> bool:
        taken = wakeups.take(100)
        wakeups.settle(taken)
        seen.update(taken)
        return seen >= wanted

    await until(all_came, 60.0)
    await until(lambda: not here.outbox.letters, 60.0)
    assert seen >= wanted
    assert here.outbox.letters == {}


async def test_a_message_goes_through_the_broker_and_back(rabbit_url: str) -> None:
    async with world(rabbit_url) as here:
        assert 0 < await here.broker.ping() < 3


async def test_without_a_broker_everything_waits_and_says_why() -> None:
    async with world_without_broker() as here:
        with pytest.raises(Unavailable, match="No connection to RabbitMQ"):
            await here.ping()


def world_without_broker() -> Broker:
    return Broker(
        f"amqp://guest:guest@127.0.0.1:{free_port()}/", name="t", observer=Notes(), new_id=random_ids()
    )


async def test_why_the_broker_does_not_let_us_in_is_told_with_the_mend(rabbit_url: str) -> None:
    def instead(**parts: str) -> str:
        return urlunsplit(urlsplit(rabbit_url)._replace(**parts))

    where = urlsplit(rabbit_url).netloc.partition("@")[2]
    refusals: list[tuple[str, type[WatershipError], str, str]] = [
        (
            instead(netloc=f"guest:hunter@{where}"),
            NotAllowed,
            "refused the user 'guest'",
            "authenticate_user guest",
        ),
        (
            instead(path="/no%2Fsuch"),
            NotAllowed,
            "no virtual host 'no/such'",
            "rabbitmqctl add_vhost no/such; ",
        ),
        (instead(scheme="amqps"), Unavailable, "does not speak TLS", "amqp:// to a plain port"),
        (
            f"amqp://127.0.0.1:{free_port()}/",
            Unavailable,
            "Nothing listens at 127.0.0.1:",
            "nc -vz 127.0.0.1",
        ),
        ("amqp://nobody.invalid/", Unavailable, "nobody.invalid of broker.url is not known", "getent hosts"),
        ("amqp://guest:hunter/2@host/", BadInput, "its port is no number", "%2F"),
    ]
    for url, kind, words, fix in refusals:
        with pytest.raises(kind) as told:
            await connect(url, name="t")
        assert words in told.value.message
        assert fix in told.value.fix
        assert "hunter" not in str(told.value), "a password is never shown"


async def test_a_peer_that_hangs_up_is_told_with_the_ports() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port} hangs up") as told:
            await connect(f"amqp://127.0.0.1:{port}/", name="t")
    assert "amqps://" in told.value.fix


async def test_only_amqp_is_spoken() -> None:
    with pytest.raises(BadInput, match="http://"):
        await connect("http://127.0.0.1/", name="t")


async def test_certificates_that_cannot_be_read_are_named() -> None:
    with pytest.raises(BadInput, match=r"nowhere\.pem"):
        await connect("amqps://127.0.0.1/", name="t", ca_file="nowhere.pem")


async def test_a_queue_that_is_deleted_comes_back_and_is_consumed_again(rabbit_url: str) -> None:
    async with world(rabbit_url) as here, here.wakeups() as wakeups:
        async with client(rabbit_url) as channel:
            await channel.queue_delete(wakeup_queue(GREEN, POOL, 1))
        await until(lambda: here.notes.count("broker lost"))
        await here.broker.wait(SECONDS)
        here.post(wakeup("r"))
        await drained(here, wakeups, {"r"})


async def test_a_connection_that_is_closed_by_the_broker_is_made_again(own_server: RabbitServer) -> None:
    async with world(own_server.url) as here, here.wakeups() as wakeups:
        await asyncio.to_thread(own_server.ctl, "close_all_connections", "maintenance")
        await until(lambda: here.notes.count("broker lost") >= 2)
        here.post(wakeup("r"))
        await drained(here, wakeups, {"r"})


async def test_a_restart_of_the_broker_in_mid_stream_loses_nothing(own_server: RabbitServer) -> None:
    async with world(own_server.url) as here, here.wakeups() as wakeups:
        restart = asyncio.create_task(asyncio.to_thread(own_server.restart))
        wanted: set[str] = set()
        while not restart.done():
            name = f"r{len(wanted)}"
            wanted.add(name)
            here.post(wakeup(name))
            await asyncio.sleep(0.02)
        await restart
        await drained(here, wakeups, wanted)


async def test_a_killed_broker_loses_nothing(own_server: RabbitServer) -> None:
    async with world(own_server.url) as here, here.wakeups() as wakeups:
        wanted = {f"r{number}" for number in range(200)}
        here.post(*map(wakeup, sorted(wanted)))
        await asyncio.to_thread(own_server.kill)
        await asyncio.to_thread(own_server.start)
        await drained(here, wakeups, wanted)


async def test_a_broker_without_memory_blocks_us_and_the_letters_wait(own_server: RabbitServer) -> None:
    async with world(own_server.url) as here, here.wakeups() as wakeups:
        await asyncio.to_thread(own_server.ctl, "set_vm_memory_high_watermark", "0.00001")
        try:
            here.post(wakeup("r0"))  # the broker says that it blocks us only to whoever publishes
            await until(lambda: here.broker.publishing.blocked)
            here.post(*(wakeup(f"r{number}") for number in range(1, 50)))
            assert here.relay.backlog >= 49
            with pytest.raises(Unavailable, match="takes nothing"):
                await here.broker.ping()
        finally:
            await asyncio.to_thread(own_server.ctl, "set_vm_memory_high_watermark", "0.4")
        await until(lambda: not here.broker.publishing.blocked)
        await drained(here, wakeups, {f"r{number}" for number in range(50)})


async def test_a_connection_that_carries_nothing_is_built_anew(own_server: RabbitServer) -> None:
    async with world(own_server.url, watch_seconds=0.1) as here, here.wakeups() as wakeups:
        own_server.freeze()
        try:
            await until(lambda: here.notes.count("broker lost"), 60.0)
        finally:
            own_server.thaw()
        here.post(wakeup("r"))
        await drained(here, wakeups, {"r"})
        assert any("pings" in str(facts.get("reason")) for _, facts in here.notes.all)


@pytest.fixture
def hasty_server() -> Iterator[RabbitServer]:
    """One that takes a delivery back after half a second, instead of half an hour."""

    def hasty() -> RabbitServer:
        server = RabbitServer(conf={"consumer_timeout": "500"})
        (server.folder / "advanced.config").write_text("[{rabbit, [{channel_tick_interval, 200}]}].\n")
        return server

    yield from started(hasty)


async def test_a_delivery_that_is_held_too_long_comes_again_and_one_that_is_dropped_in_time_does_no_harm(
    hasty_server: RabbitServer,
) -> None:
    async with world(hasty_server.url) as here:
        async with here.wakeups() as wakeups:
            here.post(wakeup("r"))
            await until(lambda: here.notes.count("broker lost"), 60.0)
            await drained(here, wakeups, {"r"})
        lost = here.notes.count("broker lost")
        async with here.wakeups(stale_seconds=0.1):
            here.post(wakeup("s"))
            await until(lambda: here.notes.count("wake-ups dropped"))
            await asyncio.sleep(1.5)  # three times the broker's patience
        assert here.notes.count("broker lost") == lost
