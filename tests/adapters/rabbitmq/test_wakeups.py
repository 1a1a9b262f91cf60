"""Wake-ups are taken, settled, acknowledged; what is not taken goes back to the store's keeping."""

from __future__ import annotations

import asyncio
import json

from tests.adapters.rabbitmq.world import GREEN, POOL, bodies, client, depth, until, wakeup, world
from watership.adapters.rabbitmq.acks import Frame, frames
from watership.adapters.rabbitmq.topology import DEAD_QUEUE, WAKEUPS, wakeup_queue
from watership.adapters.rabbitmq.wakeups import RabbitWakeups
from watership.durable.ids import RunId
from watership.durable.ports import pool_topic

NORMAL = wakeup_queue(GREEN, POOL, 1)


def test_what_is_settled_without_a_gap_is_said_at_once() -> None:
    assert frames({1: True, 2: True, 3: False, 4: True}) == [Frame(2, True), Frame(4, False)]
    assert frames({5: False, 6: True}) == [Frame(6, False)]
    assert frames({7: False}) == []


async def taken(wakeups: RabbitWakeups, limit: int = 100) -> tuple[RunId, ...]:
    found: tuple[RunId, ...] = ()

    def some() -> bool:
        nonlocal found
        found = wakeups.take(limit)
        return bool(found)

    await until(some)
    return found


async def test_a_letter_becomes_a_wakeup_that_is_acknowledged_once_settled(rabbit_url: str) -> None:
    async with world(rabbit_url) as here, here.wakeups() as wakeups:
        here.post(wakeup("r1", "r2"))
        assert await taken(wakeups) == ("r1", "r2")
        wakeups.settle([RunId("r1")])
        await asyncio.sleep(0.1)
        wakeups.settle([RunId("r2")])
        await asyncio.sleep(0.1)
        assert wakeups.take(10) == ()
    async with client(rabbit_url) as channel:
        assert await depth(channel, NORMAL) == 0


async def test_what_was_not_settled_goes_to_another_worker(rabbit_url: str) -> None:
    async with world(rabbit_url) as here:
        async with here.wakeups() as wakeups:
            here.post(wakeup("r1", "r2"))
            assert await taken(wakeups) == ("r1", "r2")
            wakeups.settle([RunId("r1")])
        async with here.wakeups() as another:
            assert await taken(another) == ("r1", "r2")
        assert here.notes.count("broker lost") == 0  # nobody else on the connection noticed


async def test_high_priority_is_taken_first(rabbit_url: str) -> None:
    async with world(rabbit_url) as here, here.wakeups() as wakeups:
        here.post(wakeup("low", priority=0), wakeup("normal", priority=1), wakeup("high", priority=2))
        await until(lambda: wakeups.pending == 3)
        assert wakeups.take(2) == ("high", "normal")
        assert wakeups.take(2) == ("low",)


async def test_a_run_that_arrived_twice_is_taken_once(rabbit_url: str) -> None:
    async with world(rabbit_url) as here, here.wakeups() as wakeups:
        here.post(wakeup("r"), wakeup("r"))
        await until(lambda: wakeups.pending == 2)
        assert wakeups.take(5) == ("r",)
        wakeups.settle([RunId("r")])
        assert wakeups.take(5) == ()
    async with client(rabbit_url) as channel:
        assert await depth(channel, NORMAL) == 0


async def test_a_wakeup_that_comes_while_the_store_is_asked_is_kept(rabbit_url: str) -> None:
    async with world(rabbit_url) as here, here.wakeups() as wakeups:
        here.post(wakeup("r"))
        assert await taken(wakeups) == ("r",)
        here.post(wakeup("r"))
        await until(lambda: wakeups.pending == 1)
        wakeups.settle([RunId("r")])
        assert wakeups.take(5) == ("r",)


async def test_an_arrival_rings_the_pools_bell(rabbit_url: str) -> None:
    async with world(rabbit_url) as here, here.wakeups():
        here.post(wakeup("r"))
        topic = pool_topic(GREEN, POOL)
        assert await here.bell.wait(frozenset({topic}), 10.0) == {topic}


async def test_a_wakeup_that_nobody_takes_is_dropped_and_acknowledged(rabbit_url: str) -> None:
    async with world(rabbit_url) as here:
        async with here.wakeups(stale_seconds=0.2) as wakeups:
            here.post(wakeup("r1", "r2"))
            await until(lambda: here.notes.count("wake-ups dropped"))
            assert wakeups.take(10) == ()
        async with client(rabbit_url) as channel:
            assert await depth(channel, NORMAL) == 0


async def test_what_cannot_be_read_is_a_dead_letter(rabbit_url: str) -> None:
    async with world(rabbit_url) as here, here.wakeups() as wakeups, client(rabbit_url) as channel:
        await channel.basic_publish(b"no wake-up", exchange=WAKEUPS, routing_key=NORMAL)
        here.post(wakeup("r"))
        assert await taken(wakeups) == ("r",)
        wakeups.settle([RunId("r")])
        await until(lambda: here.notes.count("wake-up undecodable"))
        found: list[bytes] = []
        while not found:
            found = await bodies(channel, DEAD_QUEUE)
        assert found == [b"no wake-up"]


async def test_no_worker_holds_more_messages_than_it_has_slots(rabbit_url: str) -> None:
    async with world(rabbit_url) as here, here.wakeups(slots=2) as wakeups:
        here.post(*(wakeup(f"r{number}") for number in range(5)))
        await until(lambda: not here.outbox.letters)
        await asyncio.sleep(0.2)
        assert wakeups.pending == 2
        async with client(rabbit_url) as channel:
            assert json.loads((await channel.basic_get(NORMAL, no_ack=True)).body) == {"runs": ["r2"]}
