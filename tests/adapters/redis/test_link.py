"""Whatever way a connection to Redis ends, whoever asked is told that it is unavailable; nothing else is hidden so."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from tests.notes import Notes
from watership.adapters.redis.link import RedisLink
from watership.durable.clock import SystemClock
from watership.errors import Unavailable

NOWHERE = "redis://127.0.0.1:1/0"


async def test_a_connection_that_uvloop_had_closed_already_is_a_lost_one() -> None:
    notes = Notes()

    async def written_too_late(client: Redis) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    async with RedisLink(NOWHERE, SystemClock(), notes) as link:
        with pytest.raises(Unavailable, match="closed the connection"):
            await link.ask(written_too_late)
        assert link.lost
    assert len(notes.named("redis lost")) == 1


async def test_an_error_of_our_own_is_no_outage() -> None:
    async def wrong(client: Redis) -> None:
        raise RuntimeError("a mistake")

    async with RedisLink(NOWHERE, SystemClock(), Notes()) as link:
        with pytest.raises(RuntimeError, match="a mistake"):
            await link.ask(wrong)
        assert not link.lost
