"""A worker is dead when its session is gone, and not when the server was."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from tests.contracts.world import GREEN, POOL, ManualClock, World
from watership.adapters.postgres import PostgresStore, PostgresWitness
from watership.adapters.postgres import witness as witnesses
from watership.adapters.postgres.locks import worker_key
from watership.adapters.postgres.schema import PostgresSchema
from watership.adapters.postgres.statements import GONE
from watership.adapters.postgres.witness import FREE_SECONDS
from watership.durable.ids import WorkerId
from watership.durable.writes import Bury, Done, Refused, Renew, Written
from watership.errors import Conflict, Unavailable
from watership.testing.servers import PostgresServer

ANN, BOB = WorkerId("ann"), WorkerId("bob ü")
PATIENCE = 10.0


class Watch:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Wait until it holds; what takes longer never comes."""
    async with asyncio.timeout(PATIENCE):
        while not await holds():
            await asyncio.sleep(0.02)


async def cut(url: str, worker: WorkerId) -> None:
    """End the worker's session from outside."""
    connection = await asyncpg.connect(url)
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
    await connection.fetch(query, f"watership {worker}".encode("ascii", "replace").decode())
    await connection.close()


async def heard_of(url: str, worker: WorkerId) -> None:
    renew = Renew(worker=worker, deployment=GREEN, pool=POOL, slots=1, runs={}, lease_seconds=30)
    async with await PostgresStore.open(url) as store:
        await store.write([renew])


async def test_one_that_was_seen_alive_is_dead_as_soon_as_its_session_is_gone(url: str) -> None:
    mine, other = PostgresWitness(url), PostgresWitness(url)
    await mine.hold(ANN)
    await other.hold(BOB)
    assert await mine.dead([BOB]) == frozenset()
    other.release()

    async def told() -> bool:
        return await mine.dead([BOB]) == {BOB}

    await until(told)
    mine.release()


async def test_a_lock_is_held_by_one_and_held_again_without_asking(url: str) -> None:
    mine, other = PostgresWitness(url), PostgresWitness(url)
    await mine.hold(ANN)
    await mine.hold(ANN)
    with pytest.raises(Conflict):
        await other.hold(ANN)
    assert (mine.held(), other.held()) == (True, False)
    mine.release()
    assert not mine.held()


async def test_a_session_that_was_ended_is_not_held_and_can_be_taken_again(url: str) -> None:
    mine = PostgresWitness(url)
    await mine.hold(ANN)
    await cut(url, ANN)

    async def lost() -> bool:
        return not mine.held()

    await until(lost)
    await mine.hold(ANN)
    assert mine.held()
    mine.release()


async def test_one_that_was_never_seen_is_dead_only_after_a_while_and_if_this_server_heard_of_it(
    url: str,
) -> None:
    watch = Watch()
    mine = PostgresWitness(url, monotonic=watch)
    await mine.hold(ANN)
    await heard_of(url, BOB)
    stranger = WorkerId("stranger")
    assert await mine.dead([BOB, stranger]) == frozenset()
    watch.seconds = FREE_SECONDS
    assert await mine.dead([BOB, stranger]) == {BOB}
    mine.release()


async def test_only_one_witness_looks_each_time(url: str) -> None:
    watch = Watch()
    sweeper, other, victim = (PostgresWitness(url, monotonic=watch) for _ in range(3))
    for witness, worker in ((sweeper, ANN), (other, WorkerId("o")), (victim, BOB)):
        await witness.hold(worker)
    assert not await sweeper.dead([BOB]) | await other.dead([BOB])
    victim.release()

    async def told() -> bool:
        return bool(await sweeper.dead([BOB]))

    await until(told)
    assert await other.dead([BOB]) == frozenset()
    watch.seconds += 1.0
    assert await other.dead([BOB]) == {BOB}
    for witness in (sweeper, other):
        witness.release()


async def test_a_restart_of_the_server_makes_nobody_dead() -> None:
    server = PostgresServer()
    with server:
        await PostgresSchema(server.url).upgrade()
        watch = Watch()
        mine, living = PostgresWitness(server.url, monotonic=watch), PostgresWitness(server.url)
        await mine.hold(ANN)
        await living.hold(BOB)
        await heard_of(server.url, BOB)
        assert await mine.dead([BOB]) == frozenset()
        await asyncio.to_thread(server.restart)
        await asyncio.sleep(0)  # what the sockets tell comes in the next turn of the loop

        async def lost() -> bool:
            return not mine.held() and not living.held()

        await until(lost)
        assert await mine.dead([BOB]) == frozenset()
        await mine.hold(ANN)
        for _ in range(3):
            watch.seconds += 2 * FREE_SECONDS
            assert await mine.dead([BOB]) == frozenset(), "its row is of before the restart"
        await living.hold(BOB)
        watch.seconds += FREE_SECONDS
        assert await mine.dead([BOB]) == frozenset()
        mine.release()
        living.release()


async def test_a_session_that_ended_while_the_server_takes_nobody_makes_nobody_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that stops ends its sessions one by one, and ours may be the last."""
    monkeypatch.setattr(witnesses, "ANSWER_SECONDS", 0.5)
    with PostgresServer() as server:
        await PostgresSchema(server.url).upgrade()
        mine, living, other = (PostgresWitness(server.url) for _ in range(3))
        for witness, worker in ((mine, ANN), (living, BOB), (other, WorkerId("o"))):
            await witness.hold(worker)
        assert await mine.dead([BOB]) == frozenset()
        os.kill(server.pid, signal.SIGSTOP)  # its sessions go on
        try:
            living.release()
            with pytest.raises(Unavailable, match="was lost"):
                async with asyncio.timeout(PATIENCE):
                    while True:
                        assert await mine.dead([BOB]) == frozenset()
                        await asyncio.sleep(0.02)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert not mine.held(), "what it saw is forgotten"
        other.release()


async def test_without_a_server_nothing_is_held(url: str) -> None:
    nowhere = PostgresWitness("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await nowhere.hold(ANN)
    assert not nowhere.held()
    assert await nowhere.dead([BOB]) == frozenset()


async def test_one_that_has_taken_its_lock_again_is_not_buried_by_who_saw_it_free(url: str) -> None:
    mine, other = PostgresWitness(url), PostgresWitness(url)
    async with await PostgresStore.open(url) as store:
        world = World(store, ManualClock())
        await mine.hold(ANN)
        await other.hold(BOB)
        await heard_of(url, ANN)
        assert not await other.dead([ANN])
        await world.submit("a")
        await world.claim(worker=ANN)
        before = await world.run("a")
        await cut(url, ANN)
        await until(lambda: other.dead([ANN]))
        await mine.hold(ANN)
        buried = await world.outcome(Bury(worker=ANN))
        assert isinstance(buried, Refused)
        assert buried.code == "alive"
        assert await world.run("a") == before
    mine.release()
    other.release()


async def test_while_one_is_being_buried_it_cannot_take_its_lock_again(url: str) -> None:
    mine = PostgresWitness(url)
    async with await PostgresStore.open(url) as store:
        burying = await asyncpg.connect(url)
        async with burying.transaction():
            assert await burying.fetchval(GONE, worker_key(ANN), ANN)
            with pytest.raises(Conflict):
                await mine.hold(ANN)
        await mine.hold(ANN)
        assert await store.write([Bury(worker=ANN, resigned=True)]) == Written(outcomes=(Done(count=0),))
        await burying.close()
    mine.release()
