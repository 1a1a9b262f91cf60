"""The database that serves: a real one, and what makes it unwell."""

from __future__ import annotations

import asyncio

import asyncpg

from tests.releases.checks.scenes import Looker
from watership.testing.servers import PostgresPair, PostgresServer, free_port


def test_a_database_is_well_if_it_takes_writes_and_nobody_waits(
    looker: Looker, postgres_server: PostgresServer, postgres_pair: PostgresPair
) -> None:
    url = postgres_server.new_database()
    looker.named("database", url)
    looker.named("standby", postgres_pair.standby.url)
    looker.named("primary", postgres_pair.primary.url)
    looker.named("nobody", f"postgresql://x@127.0.0.1:{free_port()}/x")
    looker.passes("postgres.healthy", of="database")
    looker.passes("postgres.healthy", of="primary", standbys=1)
    looker.fails("postgres.healthy", "it is a standby", of="standby")
    looker.fails("postgres.healthy", "0 standby(s) follow it, of 1", of="database", standbys=1)
    looker.fails("postgres.healthy", "connections are taken", of="database", connections_below=0.0)
    looker.unsure("postgres.healthy", "Unavailable", of="nobody")
    name = url.rpartition("/")[2].partition("?")[0]
    postgres_server.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    looker.fails("postgres.healthy", "it takes no writes", of="database")


def test_who_waits_in_a_database_is_seen(looker: Looker, postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    looker.named("database", url)
    postgres_server.sql("CREATE TABLE kept (n int)", url=url)

    async def waiting() -> None:
        holder, waiter = [await asyncpg.connect(url) for _ in range(2)]
        try:
            async with holder.transaction():
                await holder.execute("LOCK TABLE kept")
                blocked = asyncio.create_task(waiter.execute("SELECT count(*) FROM kept"))
                while not await holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(judged)
            await blocked
        finally:
            await holder.close()
            await waiter.close()

    def judged() -> None:
        looker.fails("postgres.healthy", "for a lock", of="database", waiting_below=0.0)
        looker.fails("postgres.healthy", "a transaction has been open", of="database", open_below=0.0)

    asyncio.run(waiting())
