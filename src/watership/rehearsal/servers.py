"""The servers of a rehearsal are private ones of the kinds that the project names: PostgreSQL, and RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from watership.config import Config

NewAddress = Callable[[], str]
"""Makes an empty database, or virtual host, and tells its address."""

POSTGRES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What each stage has of its own there; None where the project keeps it in a file, or has none."""

    application: NewAddress | None = None
    store: NewAddress | None = None
    broker: NewAddress | None = None

    @property
    def words(self) -> str:
        """Which they are."""
        kinds = {"the application's database": self.application, "the store": self.store}
        told = [f"{name} on PostgreSQL" for name, made in kinds.items() if made is not None]
        return ", ".join([*told, *(["RabbitMQ"] if self.broker is not None else [])]) or "files"


FILES = Servers()
"""No server at all."""


@asynccontextmanager
async def private(config: Config) -> AsyncIterator[Servers]:
    """Start what the configuration's addresses stand for. Raises Unavailable where a program is not installed.

    A cache holds nothing that matters, and is done without.
    """
    application = bool(config.environment.database)
    store = config.store.url.startswith(POSTGRES)
    async with AsyncExitStack() as stack:
        database = await _postgres(stack) if application or store else None
        yield Servers(
            application=database if application else None,
            store=database if store else None,
            broker=await _rabbit(stack) if store and config.broker.url else None,
        )


async def _postgres(stack: AsyncExitStack) -> NewAddress:
    from watership.testing.servers.postgres import PostgresServer

    server = PostgresServer()
    stack.push_async_callback(asyncio.to_thread, server.stop)
    await asyncio.to_thread(server.start)
    return server.new_database


async def _rabbit(stack: AsyncExitStack) -> NewAddress:
    from watership.testing.servers.rabbitmq import RabbitServer

    server = RabbitServer()
    stack.push_async_callback(asyncio.to_thread, server.stop)
    await asyncio.to_thread(server.start)
    return server.new_vhost
