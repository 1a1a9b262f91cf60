"""A restore into the place of a real PostgreSQL database: what would be lost, who is kept out, and what stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import asyncpg
import pytest

from watership.adapters.files.backups import Contents, contents_of
from watership.adapters.files.rows import apart
from watership.adapters.postgres.backups import PostgresBackups
from watership.adapters.postgres.dump import place_command, ran
from watership.adapters.postgres.placing import PostgresPlace, beside
from watership.errors import Conflict, Unavailable, Untrusted
from watership.releases.ports import Backup
from watership.releases.readiness.restoring import Placed, TableLoss, restore
from watership.testing.servers import PostgresServer


class Interrupted:
    """Backups at which somebody comes by before they are taken, and writes."""

    def __init__(self, backups: PostgresBackups, server: PostgresServer, url: str, statement: str) -> None:
        self._backups = backups
        self._server = server
        self._url = url
        self._statement = statement

    async def create(self, name: str) -> Backup:
        self._server.sql(self._statement, url=self._url)
        return await self._backups.create(name)

    async def verify(self, backup: Backup) -> Sequence[str]:
        return await self._backups.verify(backup)


async def placed(
    url: str,
    backup: Backup,
    backups: PostgresBackups | Interrupted,
    yes_lose: int,
    wanted: Contents | None = None,
) -> Placed:
    async def fill(target: str) -> None:
        assert await ran(place_command(target, file=Path(backup.path)), {}) == ""

    async with beside(url, fill, wanted or contents_of(backup), logged=False) as (copy, name):
        return await restore(PostgresPlace(url, copy, backup.id, backups, beside=name), yes_lose=yes_lose)


@pytest.fixture
async def shop(postgres_server: PostgresServer, postgres_url: str, tmp_path: Path) -> Backup:
    """A database with an owner, settings and grants of its own, and a backup of it; then it is written to."""
    name = postgres_url.rpartition("/")[2]
    for statement in (
        "CREATE TABLE orders AS SELECT g AS id, 'rope' AS item FROM generate_series(1, 100) g",
        "CREATE TABLE gone AS SELECT 1 AS id",
        f"DROP ROLE IF EXISTS {name}_keeper",
        f"CREATE ROLE {name}_keeper",
        f"ALTER TABLE orders OWNER TO {name}_keeper",
        f'ALTER DATABASE {name} SET search_path TO "$user", public',
        f"ALTER DATABASE {name} SET statement_timeout TO '7s'",
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
    ):
        postgres_server.sql(statement, url=postgres_url)
    backup = await PostgresBackups(postgres_url, tmp_path).create("before")
    for statement in (
        "INSERT INTO orders VALUES (101, 'twine'), (101, 'twine')",
        "UPDATE orders SET item = 'wire' WHERE id <= 3",
        "DELETE FROM orders WHERE id = 50",
        "DROP TABLE gone",
        "CREATE TABLE fresh AS SELECT 1 AS id",
    ):
        postgres_server.sql(statement, url=postgres_url)
    return backup


async def test_what_is_written_after_the_statement_voids_it_and_else_the_copy_takes_the_place(
    shop: Backup, postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    sql, name = postgres_server.sql, postgres_url.rpartition("/")[2]
    backups = PostgresBackups(postgres_url, tmp_path)
    # As many rows as before would be lost: it is not the number alone that counts.
    late = Interrupted(backups, postgres_server, postgres_url, "UPDATE orders SET item = 'late' WHERE id = 1")
    held = contents_of(shop).tables
    with pytest.raises(Conflict, match="written since"):
        await placed(postgres_url, shop, late, 6)
    with pytest.raises(Untrusted, match=r"public\.more is not there"):
        await placed(
            postgres_url, shop, backups, 6, Contents(tables=held | {"public.more": held["public.gone"]})
        )
    assert sql("SELECT item FROM orders WHERE id = 1", url=postgres_url) == "late"
    client = await asyncpg.connect(postgres_url)

    done = await placed(postgres_url, shop, backups, 6)

    assert done.loss.tables == {
        "public.fresh": TableLoss(lost=1, back=0),
        "public.gone": TableLoss(lost=0, back=1),
        "public.orders": TableLoss(lost=5, back=4),
    }
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
        await client.execute("INSERT INTO orders VALUES (102, 'late')")
    client.terminate()
    assert sql("SELECT count(*), max(id) FROM orders", url=postgres_url) == "100|100"
    assert sql("SHOW search_path; SHOW statement_timeout", url=postgres_url) == '"$user", public\n7s'
    assert (
        sql("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'", url=postgres_url)
        == f"{name}_keeper"
    )
    acl = f"SELECT has_database_privilege('{name}_keeper', '{name}', 'CONNECT')"
    assert sql(acl) == "f"
    kept = postgres_server.url_of(done.kept)
    assert sql("SELECT count(*) FROM orders", url=kept) == "101"
    with pytest.raises(Unavailable, match="read-only"):
        sql("INSERT INTO orders VALUES (103, 'late')", url=kept)
    assert await backups.verify(done.safety) == []
    assert "restored" not in sql("SELECT string_agg(datname, ' ') FROM pg_database")


def test_rows_are_counted_as_often_as_they_are_there() -> None:
    random = Random(7)
    for _ in range(200):
        one, other = (sorted(random.choices(range(8), k=random.randrange(12))) for _ in range(2))
        lost, back = Counter(one) - Counter(other), Counter(other) - Counter(one)
        assert apart(one, other) == TableLoss(lost=lost.total(), back=back.total())
