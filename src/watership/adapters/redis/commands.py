"""One question to one Redis, over a connection of its own, answered as Redis itself says it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from watership.adapters.address import parsed, shown
from watership.errors import BadInput, Unavailable
from watership.releases.auditing.audit import Plain
from watership.releases.instruments import Row

SECONDS: Final = 5.0
"""For connection and answer together: what is asked of Redis takes milliseconds."""

SCHEMES: Final = ("redis", "rediss")

WAITING: Final = (ClusterDownError, MasterDownError, OutOfMemoryError, TryAgainError)
"""Refusals that say nothing against the command."""


class OneRedis:
    """RedisCommands over TCP or TLS. A command that acts, acts."""

    async def info(self, url: str) -> Row:
        async with _asked(url) as client:
            told: Mapping[str, object] = await client.info("all")
        return dict(_flat("", told))

    async def call(self, url: str, *words: str) -> object:
        if not words:
            raise BadInput("No command was given.", fix="Say one, such as PING.")
        async with _asked(url) as client:
            # Without them a reply stays as Redis said it: OK is not made True.
            client.response_callbacks.clear()
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]  # it has no types


@asynccontextmanager
async def _asked(url: str) -> AsyncIterator[Redis]:
    """A client for the block; what goes wrong in it is one of our errors."""
    parsed(url, *SCHEMES)
    try:
        client = Redis.from_url(
            url,
            decode_responses=True,
            encoding_errors="replace",
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
    except ValueError:
        raise BadInput(f"{shown(url)} is no address of a Redis.", fix="Say redis://HOST:6379/0.") from None
    try:
        async with asyncio.timeout(SECONDS):
            yield client
    except TimeoutError:
        raise Unavailable(f"{shown(url)} did not answer within {SECONDS:g} s.") from None
    except WAITING as reason:
        raise Unavailable(f"{shown(url)} did not do as asked: {reason}.") from reason
    except ResponseError as reason:
        raise BadInput(f"Redis refused the command: {reason}.") from reason
    except (RedisError, OSError) as reason:
        raise Unavailable(
            f"{shown(url)} does not answer: {_words(reason)}.",
            fix="Check that Redis runs, and host, port and password.",
        ) from reason
    finally:
        await client.aclose()


def _words(reason: Exception) -> str:
    return str(reason).rstrip(".") or type(reason).__name__


def _flat(before: str, told: Mapping[str, object]) -> Iterator[tuple[str, Plain]]:
    """INFO's fields; those of a field that has fields, such as db0, behind a dot."""
    for name, value in told.items():
        match value:
            case dict():
                yield from _flat(f"{before}{name}.", value)
            case list():
                yield from _flat(f"{before}{name}.", {str(place): each for place, each in enumerate(value)})
            case bool() | int() | float() | str() | None:
                yield before + name, value
            case _:
                yield before + name, str(value)
