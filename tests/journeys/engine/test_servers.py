"""Each fault does to a real server what it says, and undoes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from random import Random

import aio_pika
import asyncpg
import pytest

from tests.journeys.engine.faults import LINKS, PROCESSES, Fault, Server, Strike
from tests.journeys.engine.front_door import DEAD, EXCHANGE, FrontDoor, misplaced
from tests.journeys.engine.servers import RealServers
from watership.errors import Unavailable
from watership.testing.servers.postgres import PostgresServer
from watership.testing.servers.rabbitmq import RabbitServer
from watership.testing.servers.redis import RedisServer

INBOX = "watership.v1.inbox"
WAKEUPS = "watership.v1.wakeups.some"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServers]:
    """Servers of our own: those of the session must not be hurt."""
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer())
        rabbit = stack.enter_context(RabbitServer())
        redis = stack.enter_context(RedisServer())
        urls: dict[Server, str] = {
            "postgres": postgres.url,
            "rabbitmq": rabbit.new_vhost(),
            "redis": redis.url,
        }
        postgres.sql("CREATE TABLE outbox (number bigint)", url=postgres.url)
        yield RealServers(postgres, rabbit, redis, urls)


@pytest.fixture
async def door(servers: RealServers) -> AsyncIterator[FrontDoor]:
    """A front door whose exchange and queues stand, as the product declares them."""
    door = servers.front_door(Random(1), rate=40.0)
    async with await aio_pika.connect(door.url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(EXCHANGE, "topic", durable=True)
        for name in (INBOX, DEAD, WAKEUPS):
            queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.purge()
        await (await channel.get_queue(INBOX)).bind(exchange, "#")
    yield door


def strike(fault: Fault) -> Strike:
    return Strike(fault=fault, pause=0.0, seconds=0.1, pick=0.0, everywhere=False)


async def _answers(servers: RealServers, name: Server) -> bool:
    """Whether it answers soon: a server that was stormed has connections to clear away first."""
    for _ in range(50):
        if await asyncio.to_thread(servers.by_name(name).answers):
            return True
        await asyncio.sleep(0.2)
    return False


BY_DAY = (Fault.POSTGRES_FAST, Fault.QUEUES_DELETED)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in (*LINKS, *PROCESSES)])
async def test_after_a_fault_every_server_answers_again(
    servers: RealServers, fault: Fault, door: FrontDoor, nightly: bool
) -> None:
    if not nightly and fault not in BY_DAY:
        pytest.skip("ten seconds each: at night; by day the engine's own journey has all of them")
    await servers.strike(strike(fault))
    names: tuple[Server, ...] = ("postgres", "rabbitmq", "redis")
    for name in names:
        assert await _answers(servers, name), name
    assert await servers.left() == {"outbox": 0, INBOX: 0} | (
        {} if fault is Fault.QUEUES_DELETED else {WAKEUPS: 0}
    )


async def test_while_a_storm_lasts_postgres_takes_nobody_else(servers: RealServers) -> None:
    storm = asyncio.create_task(servers.strike(replace(strike(Fault.STORM), seconds=3.0)))
    with pytest.raises(Unavailable, match="too many clients"):
        while not storm.done():
            await servers.left()
            await asyncio.sleep(0.05)
    await storm
    assert (await servers.left())["outbox"] == 0


async def test_what_the_front_door_sent_is_in_the_queue_although_the_broker_died(
    servers: RealServers, door: FrontDoor
) -> None:
    sending = asyncio.create_task(door.send_all())
    while not door.sent:
        await asyncio.sleep(0.05)
    await servers.strike(strike(Fault.BROKER_KILLED))
    while len(door.sent) < 60:
        await asyncio.sleep(0.05)
    door.stopping = True
    await sending

    async with await aio_pika.connect(door.url) as connection:
        queue = await (await connection.channel()).get_queue(INBOX)
        found = set()
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            found.add(message.message_id)
    assert found >= door.sent.keys() | door.malformed
    assert door.malformed


async def test_dead_letters_are_read_and_stay(door: FrontDoor) -> None:
    async with await aio_pika.connect(door.url) as connection:
        channel = await connection.channel()
        for key in ("bad-1", "bad-2"):
            await channel.default_exchange.publish(aio_pika.Message(b"{", message_id=key), DEAD)

    assert await door.dead() == await door.dead() == {"bad-1", "bad-2"}
    assert [each.kind for each in misplaced({"bad-1", "bad-3"}, await door.dead())] == ["lost", "left over"]


async def test_the_sessions_that_hold_locks_are_ended_and_no_others(servers: RealServers) -> None:
    url = servers.by_name("postgres").url  # type: ignore[attr-defined]  # PostgreSQL's
    holder, other = await asyncpg.connect(url), await asyncpg.connect(url)
    await holder.fetchval("SELECT pg_advisory_lock(1)")
    await servers.strike(strike(Fault.SESSIONS_ENDED))
    async with asyncio.timeout(10):
        while await other.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", holder.get_server_pid()
        ):
            await asyncio.sleep(0.01)
    holder.terminate()
    assert await other.fetchval("SELECT 1") == 1
    await other.close()
