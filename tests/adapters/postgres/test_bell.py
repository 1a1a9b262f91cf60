"""Rings cross between processes, and only those that somebody may hear."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.adapters.postgres.ways import by_way
from tests.notes import Notes
from watership.adapters.postgres import PostgresStore
from watership.adapters.postgres import bell as bells
from watership.adapters.postgres.bell import PAYLOAD_BYTES, PostgresBell, payloads
from watership.errors import ProgramError, Unavailable
from watership.testing.link import Link

PATIENCE = 5.0


def bell_of(url: str, notes: Notes | None = None) -> PostgresBell:
    return PostgresBell(url, notes or Notes())


async def test_where_a_broker_carries_the_wake_ups_a_pool_is_rung_at_home_only(url: str) -> None:
    async with PostgresBell(url, Notes(), pools=False) as here, bell_of(url) as there:
        heard = asyncio.create_task(there.wait(frozenset({"pool:a:b", "inbox:r"}), PATIENCE))
        await asyncio.sleep(0.3)
        here.ring(["pool:a:b"])
        assert await here.wait(frozenset({"pool:a:b"}), PATIENCE) == {"pool:a:b"}
        here.ring(["inbox:r"])
        assert await heard == {"inbox:r"}


async def test_a_pool_is_rung_in_every_process(url: str) -> None:
    async with bell_of(url) as here, bell_of(url) as there:
        heard = asyncio.create_task(there.wait(frozenset({"pool:a:b"}), PATIENCE))
        await asyncio.sleep(0.3)  # both are connected
        here.ring(["pool:a:b"])
        assert await heard == {"pool:a:b"}


async def test_a_run_is_rung_elsewhere_once_somebody_listens_there(url: str) -> None:
    async with bell_of(url) as here, bell_of(url) as there:
        await asyncio.sleep(0.3)
        heard = asyncio.create_task(there.wait(frozenset({"end:r"}), PATIENCE))
        await asyncio.sleep(0.3)
        here.ring(["end:r", "end:nobody"])
        assert await heard == {"end:r"}
        assert not here.pending, "nobody listens to the other"


async def test_own_rings_are_heard_at_once_without_a_server() -> None:
    async with bell_of("postgresql://nobody@127.0.0.1:1/none") as bell:
        bell.ring(["run:r"])
        assert await bell.wait(frozenset({"run:r"}), 0.0) == {"run:r"}


async def test_a_bell_that_lost_its_connection_rings_again(url: str) -> None:
    async with bell_of(url) as here, bell_of(url) as there:
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


async def test_a_link_that_died_without_a_word_is_noticed_and_made_again(
    url: str, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "BEAT_SECONDS", 0.3)
    monkeypatch.setattr(bells, "ANSWER_SECONDS", 0.5)
    notes = Notes()
    async with await PostgresStore.open(url) as store, bell_of(by_way(link, url), notes) as bell:
        await bell.cross(store.notify, "before")
        link.become(half_open=True)
        await notes.until("bell lost")
        link.become()
        await notes.until("bell lost", "bell back")
        await bell.cross(store.notify, "after")
    assert notes.events == ["bell lost", "bell back"]


async def test_a_ring_that_hangs_on_a_dead_link_does_not_silence_the_bell(
    url: str, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "ANSWER_SECONDS", 0.5)
    notes = Notes()
    async with await PostgresStore.open(url) as store, bell_of(by_way(link, url), notes) as bell:
        await bell.cross(store.notify, "before")
        link.become(half_open=True)
        bell.ring(["pool:a:b"])
        await notes.until("bell lost")
        link.become()
        await notes.until("bell lost", "bell back")
        await bell.cross(store.notify, "after")
    assert notes.events == ["bell lost", "bell back"]


async def test_an_error_nobody_foresaw_is_told_and_the_bell_goes_on(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(words: object) -> list[str]:
        raise ProgramError("The database refused a statement.")

    notes = Notes()
    async with await PostgresStore.open(url) as store, bell_of(url, notes) as bell:
        with monkeypatch.context() as patched:
            patched.setattr(bells, "payloads", broken)
            bell.ring(["pool:a:b"])
            await notes.until("bell lost")
        await notes.until("bell lost", "bell back")
        await bell.cross(store.notify, "after")
    assert notes.events == ["bell lost", "bell back"]


async def test_a_verification_is_heard_from_another_session_only_while_the_bell_listens(url: str) -> None:
    async with await PostgresStore.open(url) as store:
        async with bell_of(url) as bell:
            await bell.cross(store.notify, "heard")
        async with bell_of("postgresql://nobody@127.0.0.1:1/none") as deaf:
            with pytest.raises(Unavailable, match="No notification"):
                await deaf.cross(store.notify, "unheard")


def test_payloads_hold_every_word_and_none_is_too_long() -> None:
    words = [f"pool:{number}:{'ü' * 40}" for number in range(1_000)]
    sent = list(payloads(["x" * PAYLOAD_BYTES, *words]))
    assert [word for payload in sent for word in payload.split("\n")] == words
    assert all(len(payload.encode()) <= PAYLOAD_BYTES for payload in sent)
