"""Our own schema: numbered SQL files, applied in order under the write lock, and a register of what was."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from watership.adapters.ledger.columns import micros
from watership.adapters.sqlite.connection import BUSY_SECONDS, connect, immediate, translated
from watership.errors import BadInput, Conflict, NotFound, Unavailable
from watership.fleet.build import SchemaRange, SchemaStatus

SCHEMA = SchemaRange(5, 5)
"""The schemas of the embedded store that this build reads and writes."""

RETRY_SECONDS = 0.02
"""Changing to WAL needs the file for itself, and SQLite does not wait for it: this is how we do."""

NETWORK_FILESYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.s3fs"}
)
"""Where WAL's shared memory is not shared, and locks are not locks."""


def prepare(connection: sqlite3.Connection, now: datetime) -> None:
    """Bring the file to this build's schema. Several processes may do so at once: one does, the others see it."""
    _use_wal(connection)
    with immediate(connection):
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)"
        )
        present = connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions").fetchone()[0]
        if present > SCHEMA.highest:
            raise Conflict(
                f"The store has schema {present}; this build knows {SCHEMA.lowest} to {SCHEMA.highest}.",
                fix="Start the newer build, or migrate the store back with it first.",
            )
        for version in range(present + 1, SCHEMA.highest + 1):
            for statement in statements(migration(f"forward_{version}.sql")):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_versions VALUES (?, ?)", (version, micros(now)))


class SQLiteSchema:
    """The schema of the file at `path`, which must be there. A store that is opened upgrades it by itself."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def status(self) -> SchemaStatus:
        return await asyncio.to_thread(self._with, lambda db: None)

    async def upgrade(self) -> SchemaStatus:
        """Bring the file to this build's newest schema."""
        return await asyncio.to_thread(self._with, lambda db: prepare(db, datetime.now(UTC)))

    async def downgrade(self, version: int) -> SchemaStatus:
        """Go back to an older schema; what only the newer one can hold is lost."""
        if not 0 <= version <= SCHEMA.highest:
            raise BadInput(f"There is no schema {version}; this build knows up to {SCHEMA.highest}.")
        return await asyncio.to_thread(self._with, lambda db: go_back(db, version))

    def _with(self, change: Callable[[sqlite3.Connection], None]) -> SchemaStatus:
        if not self._path.is_file():
            raise NotFound(f"There is no store at {self._path}.", fix="watership dev makes it")
        with translated(), closing(connect(self._path)) as db:
            change(db)
            return SchemaStatus(present=present_version(db), known=SCHEMA)


def present_version(connection: sqlite3.Connection) -> int:
    """The newest schema that was applied; 0 for a file without ours."""
    there = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE name = 'schema_versions'"
    ).fetchone()[0]
    if not there:
        return 0
    version: int = connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions").fetchone()[0]
    return version


def go_back(connection: sqlite3.Connection, version: int) -> None:
    """Undo the migrations beyond `version`, newest first."""
    with immediate(connection):
        present = present_version(connection)
        if present > SCHEMA.highest:
            raise Conflict(f"The store has schema {present}; this build knows up to {SCHEMA.highest}.")
        for each in range(present, version, -1):
            for statement in statements(migration(f"backward_{each}.sql")):
                connection.execute(statement)
            connection.execute("DELETE FROM schema_versions WHERE version = ?", (each,))


def migration(name: str) -> str:
    """The text of one of our migrations."""
    return (resources.files("watership") / "migrations" / "sqlite" / name).read_text(encoding="utf-8")


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit the transaction they stand in."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    assert not pending.strip(), "a migration ends with a semicolon"


def refuse_network(path: Path) -> None:
    """Raise BadInput when the file lies on a network filesystem. Where that cannot be seen, nothing is said."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return
    refuse_kind(path, filesystem(path.resolve(), mounts.read_text(encoding="utf-8", errors="replace")))


def refuse_kind(path: Path, kind: str) -> None:
    """Raise BadInput when `kind` is a network filesystem."""
    if kind in NETWORK_FILESYSTEMS:
        raise BadInput(
            f"{path} lies on a network filesystem ({kind}), where SQLite's locks do not hold.",
            fix="Put the state folder on a local disk, or use PostgreSQL.",
        )


def filesystem(path: Path, mountinfo: str) -> str:
    """The type of the filesystem that `path` lies on, as proc(5)'s mountinfo tells; empty if it does not."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        place = fields.split(" ")[4] if fields.count(" ") >= 4 else ""
        place = place.replace("\\040", " ")
        if len(place) >= len(best) and path.is_relative_to(place or "//nowhere"):
            best, kind = place, rest.split(" ")[0]
    return kind


def _use_wal(connection: sqlite3.Connection) -> None:
    attempts = int(BUSY_SECONDS / RETRY_SECONDS)
    for _ in range(attempts):
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as reason:
            if "locked" not in str(reason):
                raise
        else:
            if mode == "wal":
                return
        time.sleep(RETRY_SECONDS)
    raise Unavailable(
        "The database file could not be changed to write-ahead logging: another program holds it."
    )
