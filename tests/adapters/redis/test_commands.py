"""One Redis, asked as a check asks."""

from __future__ import annotations

import pytest

from watership.adapters.redis.commands import OneRedis
from watership.errors import BadInput, Unavailable
from watership.testing.servers import RedisServer, free_port


async def test_info_is_flat_and_numbers_are_numbers(redis_url: str) -> None:
    await OneRedis().call(redis_url, "SET", "key", "value")
    told = await OneRedis().info(redis_url)
    assert told["db0.keys"] == 1
    assert isinstance(told["used_memory"], int)
    assert isinstance(told["used_memory_rss"], int)
    assert told["role"] == "master"
    assert "cmdstat_set.calls" in told


async def test_a_reply_is_what_redis_said(redis_url: str) -> None:
    call = OneRedis().call
    assert await call(redis_url, "SET", "key", "value") == "OK"
    assert await call(redis_url, "GET", "key") == "value"
    assert await call(redis_url, "GET", "nothing") is None
    assert await call(redis_url, "INCR", "number") == 1
    assert await call(redis_url, "CONFIG", "GET", "appendonly") == ["appendonly", "yes"]


async def test_a_refused_command_says_why(redis_url: str) -> None:
    with pytest.raises(BadInput, match="unknown command"):
        await OneRedis().call(redis_url, "NONSENSE")
    with pytest.raises(BadInput, match="No command"):
        await OneRedis().call(redis_url)


async def test_nobody_there_and_a_wrong_password_are_unavailable_and_show_none(
    redis_server: RedisServer,
) -> None:
    for port in (free_port(), redis_server.port):
        with pytest.raises(Unavailable) as caught:
            await OneRedis().info(f"redis://user:hush@127.0.0.1:{port}/0")
        assert "hush" not in str(caught.value)
        assert f"redis://127.0.0.1:{port}" in str(caught.value)


async def test_what_is_no_address_is_refused() -> None:
    for nonsense in ("http://host", "redis://user:hu/sh@host:6379", "redis://host:6379/name/more"):
        with pytest.raises((BadInput, Unavailable)) as caught:
            await OneRedis().call(nonsense, "PING")
        assert "hu/" not in str(caught.value)
