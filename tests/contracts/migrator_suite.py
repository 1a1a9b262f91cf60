"""What every migrator must do, as one suite: a migrator passes it, or is none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
import pytest

from watership.errors import BadInput, Conflict, Fenced
from watership.releases.ports import Migration, Migrator

EXPAND = Migration(
    start=1,
    end=2,
    name="add priority",
    forward="ALTER TABLE orders ADD COLUMN priority INTEGER;\nCREATE INDEX by_priority ON orders (priority);",
    backward="DROP INDEX by_priority; ALTER TABLE orders DROP COLUMN priority;",
)
NOTE = Migration(
    start=2,
    end=3,
    name="keep notes",
    forward="-- who said what; kept for a year\nCREATE TABLE notes (at TEXT, what TEXT DEFAULT 'a;b');",
    backward="DROP TABLE notes;",
)


FILL = Migration(
    start=2,
    end=3,
    name="fill in priorities",
    forward="""-- backfill
-- batch 2, pause 1ms
UPDATE orders SET priority = 0 WHERE id IN (SELECT id FROM orders WHERE priority IS NULL ORDER BY id LIMIT :batch)""",
    backward="UPDATE orders SET priority = NULL",
)


class Database(Protocol):
    """A real database with two orders, at version 1."""

    def migrator(self) -> Migrator: ...

    def run(self, sql: str) -> Sequence[tuple[object, ...]]: ...

    def columns(self, table: str) -> list[str]:
        """Their names in order; empty when there is no such table."""


def changed(migration: Migration, *, forward: str = "", backward: str = "") -> Migration:
    return msgspec.structs.replace(
        migration, forward=forward or migration.forward, backward=backward or migration.backward
    )


class MigratorSuite:
    """Give it a fixture `database`, whose table orders (id, item) holds rope and lamp."""

    async def test_a_step_forward_and_back_leaves_the_version_that_it_names(self, database: Database) -> None:
        migrator = database.migrator()
        assert await migrator.version() == 1
        assert await migrator.apply(EXPAND, forward=True, epoch=1) == 2
        assert database.columns("orders") == ["id", "item", "priority"]
        assert await database.migrator().version() == 2
        assert await migrator.apply(EXPAND, forward=False, epoch=1) == 1
        assert database.columns("orders") == ["id", "item"]
        assert await migrator.version() == 1

    async def test_a_step_already_taken_is_not_taken_again(self, database: Database) -> None:
        await database.migrator().apply(EXPAND, forward=True, epoch=1)
        assert await database.migrator().apply(EXPAND, forward=True, epoch=1) == 2

    async def test_a_step_from_elsewhere_is_refused(self, database: Database) -> None:
        with pytest.raises(Conflict, match="version 2 to 3"):
            await database.migrator().apply(NOTE, forward=True, epoch=1)
        assert await database.migrator().version() == 1

    async def test_a_lower_epoch_can_do_nothing(self, database: Database) -> None:
        migrator = database.migrator()
        await migrator.apply(EXPAND, forward=True, epoch=5)
        for step, forward in ((EXPAND, False), (NOTE, True), (EXPAND, True)):
            with pytest.raises(Fenced):
                await migrator.apply(step, forward=forward, epoch=4)
        assert await migrator.version() == 2
        assert database.columns("orders") == ["id", "item", "priority"]
        assert database.columns("notes") == []

    async def test_a_step_that_fails_midway_leaves_nothing_behind(self, database: Database) -> None:
        migrator = database.migrator()
        broken = changed(EXPAND, forward="ALTER TABLE orders ADD COLUMN priority INTEGER; SELECT nonsense;")
        with pytest.raises(BadInput, match="nonsense"):
            await migrator.apply(broken, forward=True, epoch=3)
        assert database.columns("orders") == ["id", "item"]
        assert await migrator.version() == 1

    @pytest.mark.parametrize("statement", ["COMMIT", "-- why\nbegin", "/* x */ ROLLBACK", "SAVEPOINT here"])
    async def test_a_step_that_would_leave_its_transaction_is_refused(
        self, database: Database, statement: str
    ) -> None:
        leaving = changed(EXPAND, forward=f"CREATE TABLE notes (y INTEGER); {statement};")
        with pytest.raises(BadInput, match="one transaction"):
            await database.migrator().apply(leaving, forward=True, epoch=1)
        assert database.columns("notes") == []

    async def test_rows_that_would_point_to_nothing_are_refused(self, database: Database) -> None:
        orphans = "CREATE TABLE notes (of INTEGER REFERENCES orders (id)); INSERT INTO notes VALUES (99);"
        with pytest.raises(BadInput):
            await database.migrator().apply(changed(EXPAND, forward=orphans), forward=True, epoch=1)
        assert database.columns("notes") == []

    async def test_a_backfill_goes_forward_in_batches_and_fills_in_what_came_since(
        self, database: Database
    ) -> None:
        migrator = database.migrator()
        await migrator.apply(EXPAND, forward=True, epoch=1)
        database.run("INSERT INTO orders (item) VALUES ('oar'), ('sail'), ('net')")
        assert await migrator.apply(FILL, forward=True, epoch=1) == 3
        assert await migrator.version() == 3
        (filled,) = database.run("SELECT count(*) FROM orders WHERE priority = 0")
        assert str(filled[0]) == "5"
        database.run("INSERT INTO orders (item) VALUES ('late')")
        assert await migrator.fill(FILL, epoch=1) == 6
        assert await migrator.fill(FILL, epoch=1) == 6
        assert await migrator.apply(FILL, forward=True, epoch=1) == 3
        assert await migrator.apply(FILL, forward=False, epoch=1) == 2
        assert await migrator.apply(FILL, forward=True, epoch=1) == 3

    async def test_a_backfill_that_broke_off_goes_on_and_its_author_can_do_nothing_more(
        self, database: Database
    ) -> None:
        migrator = database.migrator()
        await migrator.apply(EXPAND, forward=True, epoch=1)
        forty = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
        database.run(f"INSERT INTO orders (item) {forty} SELECT 'oar' FROM n")  # noqa: S608 - our own words
        slow = changed(FILL, forward=FILL.forward.replace("pause 1ms", "pause 1h"))
        filling = asyncio.create_task(migrator.apply(slow, forward=True, epoch=1))
        while int(str(database.run("SELECT count(*) FROM orders WHERE priority = 0")[0][0])) == 0:
            await asyncio.sleep(0.01)
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        assert await migrator.version() == 2
        assert await migrator.apply(FILL, forward=True, epoch=2) == 3
        assert await migrator.fill(FILL, epoch=2) == 42
        with pytest.raises(Fenced):
            await migrator.fill(FILL, epoch=1)

    async def test_a_batch_beyond_its_bound_changes_nothing(self, database: Database) -> None:
        migrator = database.migrator()
        await migrator.apply(EXPAND, forward=True, epoch=1)
        database.run("INSERT INTO orders (item) VALUES ('oar')")
        unbounded = "-- backfill\n-- batch 2\nUPDATE orders SET priority = 0 WHERE :batch > 0"
        with pytest.raises(BadInput, match="changed 3 rows; 2 are its bound"):
            await migrator.apply(changed(FILL, forward=unbounded), forward=True, epoch=1)
        (filled,) = database.run("SELECT count(*) FROM orders WHERE priority = 0")
        assert (str(filled[0]), await migrator.version()) == ("0", 2)

    async def test_a_rehearsal_times_each_step_and_lets_a_contract_lose_what_it_throws_away(
        self, database: Database
    ) -> None:
        throw = Migration(
            start=3,
            end=4,
            name="throw away",
            forward="-- contract\nALTER TABLE orders DROP COLUMN item;",
            backward="ALTER TABLE orders ADD COLUMN item TEXT;",
        )
        migrator = database.migrator()
        tried = await migrator.rehearse([EXPAND, FILL])
        assert list(tried.steps) == ["add priority", "fill in priorities"]
        assert all(seconds > 0 for seconds in tried.steps.values())
        database.run("ALTER TABLE orders RENAME COLUMN item TO old")
        database.run("ALTER TABLE orders ADD COLUMN item TEXT")
        assert list((await migrator.rehearse([EXPAND, FILL, throw])).steps) == [
            "add priority",
            "fill in priorities",
            "throw away",
        ]

    async def test_a_rehearsal_changes_nothing_but_the_copy(self, database: Database) -> None:
        migrator = database.migrator()
        tried = await migrator.rehearse([EXPAND, NOTE])
        assert tried.seconds > 0
        assert database.columns("orders") == ["id", "item"]
        assert await migrator.version() == 1
        # What the copy was told of epochs is not known here.
        assert await migrator.apply(EXPAND, forward=True, epoch=1) == 2

    async def test_a_way_back_that_forgets_something_is_found(self, database: Database) -> None:
        forgetful = changed(
            EXPAND,
            forward="CREATE TABLE a (x INTEGER); CREATE TABLE b (x INTEGER);",
            backward="DROP TABLE a;",
        )
        with pytest.raises(BadInput, match="table b"):
            await database.migrator().rehearse([forgetful])

    async def test_a_way_back_that_loses_rows_is_found(self, database: Database) -> None:
        lossy = changed(EXPAND, forward="SELECT 1;", backward="DELETE FROM orders WHERE id = 1;")
        with pytest.raises(BadInput, match="orders"):
            await database.migrator().rehearse([lossy])

    async def test_a_way_back_that_changes_values_is_found(self, database: Database) -> None:
        careless = changed(EXPAND, forward="UPDATE orders SET item = upper(item);", backward="SELECT 1;")
        with pytest.raises(BadInput, match="orders"):
            await database.migrator().rehearse([careless])

    async def test_rows_are_counted_up_to_a_bound_and_what_is_not_there_has_none(
        self, database: Database
    ) -> None:
        database.run("INSERT INTO orders (item) VALUES ('oar'), ('sail'), ('net')")
        migrator = database.migrator()
        assert await migrator.rows(["orders", "nowhere"], most=10) == {"orders": 5}
        assert await migrator.rows(["orders"], most=2) == {"orders": 3}

    async def test_a_sound_database_has_no_faults(self, database: Database) -> None:
        migrator = database.migrator()
        assert list(await migrator.integrity()) == []
        await migrator.apply(EXPAND, forward=True, epoch=1)
        assert list(await migrator.integrity()) == []
