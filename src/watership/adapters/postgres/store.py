"""The PostgreSQL store: a transaction for each batch of writes, and queries on connections of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Self

from watership.adapters.postgres import queries
from watership.adapters.postgres.deployments import PostgresDeployments
from watership.adapters.postgres.flags import PostgresFlags
from watership.adapters.postgres.intake import PostgresIntake
from watership.adapters.postgres.links import Links
from watership.adapters.postgres.outbox import PostgresOutbox
from watership.adapters.postgres.pool import HINTING, SETTINGS, Pool, Session
from watership.adapters.postgres.reading import PostgresRuns
from watership.adapters.postgres.schema import check, read_status
from watership.adapters.postgres.writer import Writer
from watership.durable.clock import Clock
from watership.durable.states import RunState
from watership.durable.writes import Write, Written
from watership.errors import Unavailable

WRITERS = 2
"""Connections that write: while one batch is being committed another can be built."""

READERS = 4
"""Connections that answer queries."""

CONNECT_TRIES, CONNECT_PAUSE = 20, 0.5
"""How often, and after how many seconds, a process that starts looks for its database: they may start together."""


class PostgresStore(PostgresRuns, PostgresIntake, PostgresFlags, PostgresDeployments):
    """Store, and in the same database Runs, Intake, Flags and Deployments. Open it with `open`, and close it."""

    def __init__(self, links: Links, letters: Pool) -> None:
        super().__init__(links)
        self._letters = letters
        self.outbox = PostgresOutbox(letters)
        """The letters that the transactions left; empty in a store without an outbox."""

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock | None = None,
        outbox: bool = False,
        tell: frozenset[RunState] = frozenset(),
        writers: int = WRITERS,
        readers: int = READERS,
        statement_cache_size: int = 200,
        name: str = "watership",
        waits: bool = True,
    ) -> Self:
        """Connect to a database with our schema; a database that is still starting is waited for.

        Unless it `waits` nothing is asked now: each connection is asked for the schema when it is made.

        Without `clock` the time is the database's. With `outbox` every transaction that made runs READY, ended one
        that has a `reply_to`, or brought one into a state of `tell`, leaves a letter for the broker.
        Raises Conflict when the schema does not fit this build, Unavailable when the database does not answer.
        """

        def pool(size: int, role: str, settings: Mapping[str, str] = SETTINGS) -> Pool:
            return Pool(
                url,
                size=size,
                name=f"{name} {role}",
                settings=settings,
                statement_cache_size=statement_cache_size,
                greet=None if waits else _fits,
            )

        writing = pool(writers, "writer")
        writer = Writer(writing, clock, tell if outbox else None)
        store = cls(Links(writing, pool(readers, "reader"), writer, clock), pool(1, "outbox", HINTING))
        try:
            if waits:
                await store._find()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Close all connections. Closing twice is closing once."""
        await self._links.reading.close()
        await self._letters.close()
        await self._links.writing.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _find(self) -> None:
        for left in reversed(range(CONNECT_TRIES)):
            try:
                async with self._links.reading.session() as db:
                    status = await read_status(db)
            except Unavailable:
                if not left:
                    raise
                await asyncio.sleep(CONNECT_PAUSE)
            else:
                return check(status)
        raise AssertionError("the last try returns or raises")

    async def write(self, writes: Sequence[Write]) -> Written:
        return await self._links.writer.write(writes)

    async def ping(self) -> None:
        """One round trip on a connection that writes: a store that cannot be written to does not answer."""
        async with self._links.writing.session() as db:
            if await queries.only_reads(db):
                raise Unavailable("The database takes no writes: it is a standby, or became one.")

    async def notify(self, channel: str, words: str) -> None:
        """Tell whoever listens to `channel`; lost where nobody does."""
        async with self._links.writing.session() as db:
            await db.execute("SELECT pg_notify($1, $2)", channel, words)


async def _fits(session: Session) -> None:
    check(await read_status(session))
