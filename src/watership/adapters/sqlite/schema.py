"""Our own schema: numbered SQL files, applied in order under the write lock, and a register of what was."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from importlib import resources
from pathlib import Path

from watership.adapters.ledger.columns import micros
from watership.adapters.ledger.versions import SchemaStatus, check_target, status_of, too_new
from watership.adapters.sqlite.connection import BUSY_SECONDS, connect, immediate, translated
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Unavailable
from watership.fleet.build import SchemaRange

SCHEMA = SchemaRange(1, 2)
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
            raise too_new(status_of(present, SCHEMA))
        for version in range(present + 1, SCHEMA.highest + 1):
            for statement in statements(migration(f"forward_{version}.sql")):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_versions VALUES (?, ?)", (version, micros(now)))


class SQLiteSchema:
    """The schema of one file. A process that opens the file brings it up to date by itself; this also goes back."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def status(self) -> SchemaStatus:
        return await asyncio.to_thread(self._status)

    async def upgrade(self) -> SchemaStatus:
        return await asyncio.to_thread(self._upgrade)

    async def downgrade(self, version: int) -> SchemaStatus:
        """Go back to an older schema; what only the newer one can hold is lost."""
        check_target(version, SCHEMA)
        return await asyncio.to_thread(self._downgrade, version)

    def _status(self) -> SchemaStatus:
        if not self._path.exists():
            return status_of(0, SCHEMA)
        with translated(), closing(connect(self._path, readonly=True)) as connection:
            return _read_status(connection)

    def _upgrade(self) -> SchemaStatus:
        refuse_network(self._path.parent)
        with translated(), closing(connect(self._path)) as connection:
            prepare(connection, SystemClock().now())
            return _read_status(connection)

    def _downgrade(self, version: int) -> SchemaStatus:
        if not self._path.exists():
            return status_of(0, SCHEMA)
        with translated(), closing(connect(self._path)) as connection, immediate(connection):
            status = _read_status(connection)
            if status.present > SCHEMA.highest:
                raise too_new(status)
            for each in range(status.present, version, -1):
                for statement in statements(migration(f"backward_{each}.sql")):
                    connection.execute(statement)
                connection.execute("DELETE FROM schema_versions WHERE version = ?", (each,))
            return _read_status(connection)


def _read_status(connection: sqlite3.Connection) -> SchemaStatus:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'").fetchone()
    query = "SELECT coalesce(max(version), 0) FROM schema_versions"
    return status_of(connection.execute(query).fetchone()[0] if known else 0, SCHEMA)


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
