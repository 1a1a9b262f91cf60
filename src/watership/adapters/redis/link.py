"""The link to Redis: every call is short, and after one that failed Redis is left alone for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Self, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from watership.durable.clock import Clock
from watership.durable.ports import Observer
from watership.errors import BadInput, Unavailable

T = TypeVar("T")

CALL_SECONDS: Final = 0.05
"""For one call, a new connection included. A cache that takes longer than the store is none."""

REST_SECONDS: Final = 1.0
"""How long Redis is not asked after a failure: a request waits for it once a second at most, not each time."""

PROBE_SECONDS: Final = 1.0
"""For the ping of /health, which asks anew whatever failed before."""

CONNECTIONS: Final = 4
"""Of one process, for calls: a call keeps one for a third of a millisecond, and making one takes several."""

LINES: Final = 1
"""Connections beside those: the line of the fan-out."""

CALLS: Final = 64
"""At a time. What more of them would wait for Redis is more than CALL_SECONDS, and that is no fault of Redis."""


class RedisLink:
    """Asks Redis within bounds. What it raises is Unavailable, whatever the driver or the network said.

    A circuit: after a failure calls are refused at once; then one is let through, and its outcome decides.
    """

    def __init__(
        self, url: str, clock: Clock, observer: Observer, *, call_seconds: float = CALL_SECONDS
    ) -> None:
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS + LINES,
                timeout=call_seconds,
                socket_connect_timeout=PROBE_SECONDS,
                # Every wait is bounded here. The driver's own bound uses wait_for(), which up to Python 3.11 may
                # swallow a cancellation; whoever closes us would wait for ever.
                socket_timeout=None,
                # A second try would take the time that the caller has for the way without Redis.
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                # It would be told with every new connection, in a round trip of its own.
                driver_info=None,
            )
        except ValueError as reason:
            raise BadInput(
                f"cache.url is no address of a Redis: {reason}.", fix="Say redis://HOST:6379/0."
            ) from None
        self.client = Redis(connection_pool=pool)
        self._pool = pool
        self._clock = clock
        self._observer = observer
        self._rests_until: float | None = None
        self._trying = False
        self._calls = 0
        self._call_seconds = call_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.client.aclose()
        await self._pool.aclose()

    @property
    def lost(self) -> bool:
        """Whether the last call failed."""
        return self._rests_until is not None

    async def ask(self, call: Callable[[Redis], Awaitable[T]]) -> T:
        """What `call` gets from Redis. Raises Unavailable within CALL_SECONDS, and at once while Redis rests."""
        if self._rests_until is not None:
            if self._trying or self._clock.monotonic() < self._rests_until:
                raise Unavailable("Redis failed a moment ago, and is not asked now.")
            self._trying = True
        elif self._calls >= CALLS:
            raise Unavailable("This process asks Redis for more than it can hear at a time.")
        self._calls += 1
        try:
            answer = await self._within(self._call_seconds, call)
        except Unavailable as error:
            await self._fail(error)
            raise
        finally:
            self._calls -= 1
            self._trying = False
        self._recover()
        return answer

    async def ping(self) -> None:
        """One real round trip. Raises Unavailable when Redis does not answer."""
        await self._within(PROBE_SECONDS, lambda client: client.ping())

    async def _within(self, seconds: float, call: Callable[[Redis], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await call(self.client)
        except TimeoutError:
            raise Unavailable(f"Redis did not answer within {seconds * 1000:g} ms.") from None
        except (RedisError, OSError) as reason:
            # The driver's words may hold an address; its class does not.
            raise Unavailable(f"Redis did not do as asked ({type(reason).__name__}).") from reason
        except RuntimeError as reason:
            # uvloop's word for a connection that the server closed before the driver wrote into it.
            if not str(reason).endswith("the handler is closed"):
                raise
            raise Unavailable("Redis closed the connection.") from reason

    async def _fail(self, error: Unavailable) -> None:
        if self._rests_until is None:
            self._observer.note("redis lost", error=error.message)
        self._rests_until = self._clock.monotonic() + REST_SECONDS
        # Idle connections to a server that is gone would each fail a call of their own.
        await self._pool.disconnect(inuse_connections=False)

    def _recover(self) -> None:
        if self._rests_until is not None:
            self._rests_until = None
            self._observer.note("redis back")
