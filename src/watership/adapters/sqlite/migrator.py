"""The application's SQLite database is migrated in one transaction per step, and rehearsed on a copy."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from watership.adapters.roundtrip import require_alike
from watership.errors import BadInput, Conflict, Fenced, Unavailable, WatershipError
from watership.releases.header import batched
from watership.releases.ports import Linted, Migration, Rehearsed

BUSY_SECONDS = 1.0
"""How long a step waits for other writers; longer would make them wait in turn. The release tries again."""

VERSIONS = "application_versions"
"""The table that keeps every step taken. The store's own schema_versions may live in the same file."""

_CREATE = f"""
CREATE TABLE IF NOT EXISTS {VERSIONS} (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    direction TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    applied_at TEXT NOT NULL,
    rows INTEGER
)
"""
_NEWEST = f"SELECT name, direction FROM {VERSIONS} ORDER BY position DESC LIMIT 1"  # noqa: S608 - our own table
_FILLED = f"""
UPDATE {VERSIONS} SET rows = coalesce(rows, 0) + ?, epoch = ? WHERE position = (
    SELECT max(position) FROM {VERSIONS} WHERE name = ? AND direction = 'begun') RETURNING rows"""  # noqa: S608

REHEARSING = 2**53
"""The epoch on a copy, above every other."""

_EPOCH = f"SELECT coalesce(max(epoch), 0) FROM {VERSIONS}"  # noqa: S608 - our own table's name
_LAST = f"SELECT version FROM {VERSIONS} ORDER BY position DESC LIMIT 1"  # noqa: S608 - the same
_RECORDED = f"INSERT INTO {VERSIONS} (version, name, direction, epoch, applied_at) VALUES (?, ?, ?, ?, ?)"  # noqa: S608

_FORBIDDEN = frozenset(
    "BEGIN COMMIT END ROLLBACK SAVEPOINT RELEASE VACUUM PRAGMA ATTACH DETACH".split()  # noqa: SIM905 - readable
)
"""Statements that would end the step's transaction, or that do nothing within one."""


class SQLiteMigrator:
    """Migrator for the database file at `path`. A database that no step was applied to is at `base`."""

    def __init__(self, path: Path, *, base: int = 0) -> None:
        self._path = path
        self._base = base

    async def version(self) -> int:
        return await asyncio.to_thread(self._version)

    async def apply(self, migration: Migration, *, forward: bool, epoch: int) -> int:
        if forward and migration.header.kind == "backfill":
            if await asyncio.to_thread(self._begin, migration, epoch):
                await self.fill(migration, epoch=epoch)
                await asyncio.to_thread(self._apply, migration, True, epoch)
            return migration.end
        return await asyncio.to_thread(self._apply, migration, forward, epoch)

    async def fill(self, migration: Migration, *, epoch: int) -> int:
        while True:
            changed, rows = await asyncio.to_thread(self._batch, migration, epoch)
            if not changed:
                return rows
            await asyncio.sleep(migration.header.pause)

    async def rehearse(self, migrations: Sequence[Migration]) -> Rehearsed:
        return await asyncio.to_thread(self._rehearse, migrations)

    async def rows(self, tables: Sequence[str], *, most: int) -> dict[str, int]:
        return await asyncio.to_thread(self._rows, tables, most)

    async def lint(self, migrations: Sequence[Migration]) -> Linted:
        """Nobody lints this dialect; a step has the file for itself, and what it does to it is timed on a copy."""
        return Linted()

    async def integrity(self) -> Sequence[str]:
        return await asyncio.to_thread(self._integrity)

    def _version(self) -> int:
        with opened(self._path) as connection:
            return _present(connection, self._base)

    def _apply(self, migration: Migration, forward: bool, epoch: int) -> int:
        start, end = (migration.start, migration.end) if forward else (migration.end, migration.start)
        with opened(self._path) as connection, transaction(connection):
            _require_epoch(connection, epoch)
            if not self._wanted(connection, migration, start, end):
                return end
            if not forward or migration.header.kind != "backfill":
                _run(connection, migration.forward if forward else migration.backward, migration.name)
            _record(connection, migration, end, "forward" if forward else "backward", epoch)
        return end

    def _wanted(self, connection: sqlite3.Connection, migration: Migration, start: int, end: int) -> bool:
        """Whether the step has still to be taken. Raises Conflict from elsewhere."""
        present = _present(connection, self._base)
        if present not in (start, end):
            raise Conflict(
                f"Migration {migration.name} leads from version {start} to {end}; "
                f"the database is at {present}.",
                fix="Apply what lies between, or plan the release again.",
            )
        return present == start

    def _begin(self, migration: Migration, epoch: int) -> bool:
        """Mark that a backfill has begun; whether there is anything to do."""
        with opened(self._path) as connection, transaction(connection):
            _require_epoch(connection, epoch)
            if not self._wanted(connection, migration, migration.start, migration.end):
                return False
            newest = connection.execute(_NEWEST).fetchone()
            if newest != (migration.name, "begun"):
                _record(connection, migration, migration.start, "begun", epoch)
            return True

    def _batch(self, migration: Migration, epoch: int) -> tuple[int, int]:
        """One batch and its count in one transaction: how many rows it changed, and all batches so far."""
        head, name = migration.header, migration.name
        statement = batched([*statements(migration.forward)], head, name)
        with opened(self._path) as connection, transaction(connection):
            _require_epoch(connection, epoch)
            try:
                changed = max(connection.execute(statement).rowcount, 0)
            except sqlite3.Error as error:
                raise _failed(name, statement, error) from error
            if changed > head.batch:
                raise BadInput(
                    f"A batch of migration {name} changed {changed:,} rows; {head.batch:,} are its bound.",
                    fix="Let LIMIT :batch bound the rows that are changed.",
                )
            row = connection.execute(_FILLED, (changed, epoch, name)).fetchone()
            return changed, int(row[0]) if row else 0

    def _rehearse(self, migrations: Sequence[Migration]) -> Rehearsed:
        """Forward, backward and forward again on a copy, comparing schema and data with what they were."""
        longest, steps = 0.0, dict[str, float]()
        # Beside the database, where there is room for one of its size and nobody else reads: a copy that a kill leaves
        # behind stays under the environment's own folder.
        with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=self._path.parent) as folder:
            original, copy = Path(folder) / "original.sqlite3", Path(folder) / "copy.sqlite3"
            copy_database(self._path, original)
            copy_database(original, copy)
            rehearsal = SQLiteMigrator(copy, base=self._base)
            schemas = []
            for forward in (True, False, True):
                for migration in migrations if forward else reversed(migrations):
                    started = time.perf_counter()
                    asyncio.run(rehearsal.apply(migration, forward=forward, epoch=REHEARSING))
                    steps.setdefault(migration.name, time.perf_counter() - started)
                    if migration.header.kind != "backfill":  # whose batches are short, each of them
                        longest = max(longest, time.perf_counter() - started)
                schemas.append(schema(copy))
                if not forward:
                    require_alike("The way back leaves another schema", schema(original), schemas[-1])
                    if all(each.header.kind != "contract" for each in migrations):
                        # What a contract throws away no script brings back: no way back is promised.
                        _compare_rows(original, copy)
            require_alike("Going forward twice gives another schema", schemas[0], schemas[2])
        return Rehearsed(seconds=longest, steps=steps)

    def _rows(self, tables: Sequence[str], most: int) -> dict[str, int]:
        with opened(self._path) as connection:
            named = {
                row[0].lower(): row[0]
                for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            return {
                table: connection.execute(
                    f'SELECT count(*) FROM (SELECT 1 FROM "{named[table]}" LIMIT {most + 1})'  # noqa: S608 - a table's name
                ).fetchone()[0]
                for table in tables
                if table in named
            }

    def _integrity(self) -> Sequence[str]:
        with opened(self._path) as connection:
            return faults(connection)


@contextmanager
def opened(path: Path, *, must_exist: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection whose transactions are begun and ended by hand; the driver's errors become ours."""
    mode = "rw" if must_exist else "rwc"
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
        with closing(connection):
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
    except sqlite3.OperationalError as error:
        raise Unavailable(f"The database {path} could not be used: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise BadInput(f"The database {path} refused: {error}.") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and alone among writers from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def create_database(path: Path) -> None:
    """Make an empty database for an application, if there is none; readers do not wait for its writers."""
    with opened(path, must_exist=False) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database that is in use, as one file without a write-ahead log."""
    with opened(source) as origin, opened(target, must_exist=False) as copy:
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def schema(path: Path) -> dict[str, str]:
    """Every table, index, view and trigger by name, as it was declared, without our own bookkeeping."""
    with opened(path) as connection:
        rows = connection.execute(
            "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_master WHERE tbl_name NOT IN (?, ?)",
            (VERSIONS, "sqlite_sequence"),
        )
        return {name: " ".join(sql.split()) for name, sql in rows}


def faults(connection: sqlite3.Connection) -> Sequence[str]:
    """What the database's own checks find wrong."""
    found = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        found.append(f"row {row} of {table} refers to a row of {parent} that is not there")
    return found


def _present(connection: sqlite3.Connection, base: int) -> int:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (VERSIONS,))
    if known.fetchone() is None:
        return base
    last = connection.execute(_LAST).fetchone()
    return int(last[0]) if last is not None else base


def _run(connection: sqlite3.Connection, script: str, name: str) -> None:
    """Run a script's statements one by one: executescript would commit first."""
    for statement in statements(script):
        if first_word(statement) in _FORBIDDEN:
            raise BadInput(
                f"Migration {name} contains {first_word(statement)}; a step is one transaction already.",
                fix="Remove the statement.",
            )
        try:
            connection.execute(statement)
        except sqlite3.Error as error:
            raise _failed(name, statement, error) from error
    broken = faults_of_keys(connection)
    if broken:
        raise BadInput(f"Migration {name} leaves {broken} rows that refer to rows which are not there.")


def _failed(name: str, statement: str, error: sqlite3.Error) -> WatershipError:
    what = f"Migration {name} failed at {' '.join(statement.split())[:200]!r}: {error}."
    busy = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
    return Unavailable(what) if busy else BadInput(what)


def faults_of_keys(connection: sqlite3.Connection) -> int:
    return len(connection.execute("PRAGMA foreign_key_check").fetchall())


def statements(script: str) -> Iterator[str]:
    """The statements of a script; a trigger's body stays in one piece."""
    pending = ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            if first_word(pending):
                yield pending
            pending = ""
    if first_word(pending.removesuffix(";")):
        yield pending


def first_word(statement: str) -> str:
    """The first word in capitals, past comments; empty when there is none."""
    rest = statement.strip().lstrip(";").strip()
    while rest.startswith(("--", "/*")):
        _, _, rest = rest.partition("\n" if rest.startswith("--") else "*/")
        rest = rest.strip().lstrip(";").strip()
    return rest.split(None, 1)[0].rstrip(";").upper() if rest else ""


def _require_epoch(connection: sqlite3.Connection, epoch: int) -> None:
    """Our table is there, and nobody with a higher epoch was. Raises Fenced."""
    _keep_versions(connection)
    current = connection.execute(_EPOCH).fetchone()[0]
    if epoch < current:
        raise Fenced("The schema", held=epoch, current=current)


def _keep_versions(connection: sqlite3.Connection) -> None:
    """Make our table; one that knows of no batches is made anew with its rows."""
    made = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (VERSIONS,)).fetchone()
    if made is not None and "rows" not in made[0]:
        connection.execute(f"ALTER TABLE {VERSIONS} RENAME TO {VERSIONS}_before")
        connection.execute(_CREATE)
        connection.execute(f"INSERT INTO {VERSIONS} SELECT *, NULL FROM {VERSIONS}_before")  # noqa: S608 - our own
        connection.execute(f"DROP TABLE {VERSIONS}_before")
    connection.execute(_CREATE)


def _record(
    connection: sqlite3.Connection, migration: Migration, version: int, direction: str, epoch: int
) -> None:
    connection.execute(_RECORDED, (version, migration.name, direction, epoch, datetime.now(UTC).isoformat()))


def _compare_rows(original: Path, copy: Path) -> None:
    """Refuse when a table's rows came back other than they were."""
    with opened(copy) as connection:
        connection.execute("ATTACH ? AS original", (str(original),))
        tables = connection.execute(
            "SELECT name FROM original.sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' "
            "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name <> ?",
            (VERSIONS,),
        ).fetchall()
        for (table,) in tables:
            quoted = '"' + table.replace('"', '""') + '"'
            ours, theirs = f"SELECT * FROM main.{quoted}", f"SELECT * FROM original.{quoted}"  # noqa: S608
            differing = connection.execute(
                f"SELECT (SELECT count(*) FROM ({ours} EXCEPT {theirs})) "  # noqa: S608
                f"+ (SELECT count(*) FROM ({theirs} EXCEPT {ours}))"
            ).fetchone()[0]
            if differing:
                raise BadInput(
                    f"The way back leaves {differing} other rows in {table}.",
                    fix="Make the backward script restore what the forward one changed.",
                )
