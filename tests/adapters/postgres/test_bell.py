"""Rings cross between processes, and only those that somebody may hear."""

from __future__ import annotations

import asyncio

import asyncpg

from watership.adapters.postgres.bell import PAYLOAD_BYTES, PostgresBell, payloads

PATIENCE = 5.0


async def test_a_pool_is_rung_in_every_process(url: str) -> None:
    async with PostgresBell(url) as here, PostgresBell(url) as there:
        heard = asyncio.create_task(there.wait(frozenset({"pool:a:b"}), PATIENCE))
        await asyncio.sleep(0.3)  # both are connected
        here.ring(["pool:a:b"])
        assert await heard == {"pool:a:b"}


async def test_a_run_is_rung_elsewhere_once_somebody_listens_there(url: str) -> None:
    async with PostgresBell(url) as here, PostgresBell(url) as there:
        await asyncio.sleep(0.3)
        heard = asyncio.create_task(there.wait(frozenset({"end:r"}), PATIENCE))
        await asyncio.sleep(0.3)
        here.ring(["end:r", "end:nobody"])
        assert await heard == {"end:r"}
        assert not here.pending, "nobody listens to the other"


async def test_own_rings_are_heard_at_once_without_a_server() -> None:
    async with PostgresBell("postgresql://nobody@127.0.0.1:1/none") as bell:
        bell.ring(["run:r"])
        assert await bell.wait(frozenset({"run:r"}), 0.0) == {"run:r"}


async def test_a_bell_that_lost_its_connection_rings_again(url: str) -> None:
    async with PostgresBell(url) as here, PostgresBell(url) as there:
        await asyncio.sleep(0.3)
        connection = await asyncpg.connect(url)
        await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watership bell'"
        )
        await connection.close()
        heard = asyncio.create_task(there.wait(frozenset({"pool:a:b"}), PATIENCE))
        async with asyncio.timeout(PATIENCE):
            while not heard.done():
                here.ring(["pool:a:b"])
                await asyncio.sleep(0.1)
        assert await heard == {"pool:a:b"}


def test_payloads_hold_every_word_and_none_is_too_long() -> None:
    words = [f"pool:{number}:{'ü' * 40}" for number in range(1_000)]
    sent = list(payloads(["x" * PAYLOAD_BYTES, *words]))
    assert [word for payload in sent for word in payload.split("\n")] == words
    assert all(len(payload.encode()) <= PAYLOAD_BYTES for payload in sent)
