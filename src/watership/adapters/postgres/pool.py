"""A few connections to one PostgreSQL, made when they are first needed; who finds none free waits, but not long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg

from watership.adapters.postgres.translation import lost, translated, translation
from watership.errors import BadInput, Unavailable

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""The driver's connection."""

WAIT_SECONDS = 5.0
"""How long a caller waits for a free connection before its work is refused: longer than any burst lasts."""

CONNECT_SECONDS = 3.0
"""How long the making of one connection may take, TLS included: with one transaction after it, well within a lease."""

SESSION_SECONDS = 20.0
"""How long a block may have its connection. A link can die without a word: then no answer and no error ever comes.

Whoever waits would wait for ever, in a place of the pool.
"""

CLOSE_SECONDS = 2.0
"""How long a connection may take to say good-bye before it is cut."""

SETTINGS = {
    # Every statement of ours is meant to go by an index; on a table that was just filled the planner cannot know.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # A process that is frozen inside of a transaction must not keep its rows locked: it may never wake up.
    "idle_in_transaction_session_timeout": "5s",
    # Shorter than the client waits: then it is told of a lock, and does not take the link for dead.
    "lock_timeout": "2s",
    "statement_timeout": "30s",
}
"""Of sessions that run our own statements."""

HINTING = SETTINGS | {
    # What is lost with the server's memory is sent again, or found by polling: do not wait for the disk.
    "synchronous_commit": "off",
}
"""Of sessions that write nothing which may not be lost: notifications, and which letters the broker has confirmed."""

SCHEMES = ("postgresql", "postgres")

EXAMPLE = "Set store.url to postgresql://user:password@host:5432/database. In a password / # ? @ are %2F %23 %3F %40."


async def part(session: Session) -> None:
    """Say good-bye to the server; a connection that cannot is cut."""
    try:
        await session.close(timeout=CLOSE_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        session.terminate()


class Pool:
    """At most `size` connections to `url`. `settings` are set in every session."""

    def __init__(
        self,
        url: str,
        *,
        size: int,
        name: str,
        settings: Mapping[str, str] | None = None,
        statement_cache_size: int = 200,
        session_seconds: float = SESSION_SECONDS,
        greet: Callable[[Session], Awaitable[None]] | None = None,
    ) -> None:
        """`statement_cache_size` is 0 behind a pooler that shares sessions between transactions.

        `greet` is given each new connection, and raises where it is of no use.
        """
        self._url = url
        self._name = name
        self._settings = SETTINGS if settings is None else settings
        self._statements = statement_cache_size
        self._seconds = session_seconds
        self._greet = greet
        self.on_loss: Callable[[], None] = nothing
        """Called when a connection was lost: what was known of the database may be so no more."""
        self._room = asyncio.Semaphore(size)
        self._idle: list[Session] = []
        self._busy: set[Session] = set()
        self._closed = False

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection of one's own for the block. One on which anything went wrong is not used again.

        Raises Unavailable when none becomes free in time, none can be made, or it is lost on the way.
        """
        await self._enter()
        try:
            session = await self._take()
            try:
                async with asyncio.timeout(self._seconds):
                    yield session
            except asyncpg.PostgresError as reason:
                self._give_back(session)
                raise translation(reason) from reason
            except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as reason:
                self._drop(session)
                if isinstance(reason, TimeoutError):
                    self._drop_idle()
                raise lost(reason) from reason
            except Exception:
                self._give_back(session)
                raise
            except BaseException:  # left in the middle of a word
                self._drop(session)
                raise
            else:
                self._give_back(session)
        finally:
            self._room.release()

    async def close(self) -> None:
        """Close what is idle, and cut what is not. Closing twice is closing once."""
        self._closed = True
        idle, self._idle = self._idle, []
        for session in idle:
            await part(session)
        for session in tuple(self._busy):
            session.terminate()

    async def _enter(self) -> None:
        if self._closed:
            raise Unavailable("The store is closed.")
        if not self._room.locked():
            await self._room.acquire()
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._room.acquire()
        except TimeoutError:
            raise Unavailable(
                f"All connections of this process to the database were busy for {WAIT_SECONDS:g} s ({self._name}).",
                fix="Look at what the database is waiting for: SELECT * FROM pg_stat_activity.",
            ) from None

    async def _take(self) -> Session:
        while self._idle:
            session = self._idle.pop()
            if not session.is_closed():
                self._busy.add(session)
                return session
            self.on_loss()
        session = await connect(
            self._url, name=self._name, settings=self._settings, statement_cache_size=self._statements
        )
        if self._greet is not None:
            try:
                with translated():
                    await self._greet(session)
            except BaseException:
                session.terminate()
                raise
        self._busy.add(session)
        return session

    def _give_back(self, session: Session) -> None:
        """Keep it for the next one, if it is of use: inside of a transaction it is not."""
        self._busy.discard(session)
        if self._closed or session.is_closed() or session.is_in_transaction():
            self._drop(session)
            return
        self._idle.append(session)

    def _drop_idle(self) -> None:
        """Cut who waits for work: a link that died without a word took all of them, and each would cost a time-out."""
        idle, self._idle = self._idle, []
        for session in idle:
            self._drop(session)

    def _drop(self, session: Session) -> None:
        self._busy.discard(session)
        session.terminate()
        self.on_loss()


def nothing() -> None:
    """What is done about a lost connection where nothing is to be done."""


async def connect(
    url: str,
    *,
    name: str,
    settings: Mapping[str, str] | None = None,
    statement_cache_size: int = 200,
    **more: Any,
) -> Session:
    """One session. Raises Unavailable when there is none to be had, NotAllowed when we are refused.

    BadInput when `url` is no address of a PostgreSQL.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            session = await asyncpg.connect(
                url,
                statement_cache_size=statement_cache_size,
                server_settings={"application_name": name},
                **more,
            )
            if settings:
                await _set(session, settings)
    except asyncpg.PostgresError as reason:
        raise translation(reason) from reason
    except (
        ValueError
    ) as reason:  # asyncpg.ClientConfigurationError is one; its words may hold a piece of the password
        raise BadInput(f"store.url is no address of a PostgreSQL{_wherefore(url)}.", fix=EXAMPLE) from reason
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as reason:
        raise Unavailable(
            f"The database does not answer: {reason or type(reason).__name__}.",
            fix="Check that PostgreSQL runs, and host and port in store.url.",
        ) from reason
    else:
        return session


async def _set(session: Session, settings: Mapping[str, str]) -> None:
    """Settings for the length of a session; one that does not come to have them is of no use, and cut."""
    try:
        await session.execute("; ".join(f"SET {key} = '{value}'" for key, value in settings.items()))
    except BaseException:
        session.terminate()
        raise


def _wherefore(url: str) -> str:
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        return f": it begins with {scheme}://"
    try:
        _ = urlsplit(url).port
    except ValueError:
        return ": its port is no number"
    return ""
