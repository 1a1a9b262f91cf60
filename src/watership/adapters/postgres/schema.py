"""Our own schema on PostgreSQL: numbered SQL files, applied in order under a lock, and a register of what was."""

from __future__ import annotations

from importlib import resources

from watership.adapters.postgres.locks import SCHEMA_KEY, lock_exclusively
from watership.adapters.postgres.pool import Session, connect
from watership.adapters.postgres.translation import translated
from watership.errors import BadInput, Conflict
from watership.fleet.build import SchemaRange, SchemaStatus

SCHEMA = SchemaRange(5, 5)
"""The schemas on PostgreSQL that this build reads and writes."""

_PRESENT = "SELECT to_regclass('schema_versions') IS NOT NULL"
_VERSION = "SELECT coalesce(max(version), 0) FROM schema_versions"
_REGISTER = """
CREATE TABLE IF NOT EXISTS schema_versions (
  version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp())"""


class PostgresSchema:
    """The schema of the database at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def status(self) -> SchemaStatus:
        session = await self._connect()
        try:
            with translated():
                return await read_status(session)
        finally:
            session.terminate()

    async def upgrade(self) -> SchemaStatus:
        """Bring the database to this build's newest schema. Several may do so at once: one does, the others see it."""
        return await self._move(SCHEMA.highest)

    async def downgrade(self, version: int) -> SchemaStatus:
        """Go back to an older schema; what only the newer one can hold is lost."""
        if not 0 <= version <= SCHEMA.highest:
            raise BadInput(
                f"There is no schema {version}; this build knows {SCHEMA.lowest} to {SCHEMA.highest}."
            )
        return await self._move(version)

    async def _move(self, target: int) -> SchemaStatus:
        session = await self._connect()
        try:
            with translated():
                async with session.transaction():
                    await session.execute(lock_exclusively([SCHEMA_KEY]))
                    await session.execute(_REGISTER)
                    status = await read_status(session)
                    if status.present > SCHEMA.highest:
                        raise too_new(status)
                    for version in range(status.present + 1, target + 1):
                        await session.execute(migration(f"forward_{version}.sql"))
                        await session.execute("INSERT INTO schema_versions (version) VALUES ($1)", version)
                    for version in range(status.present, target, -1):
                        await session.execute(migration(f"backward_{version}.sql"))
                        await session.execute("DELETE FROM schema_versions WHERE version = $1", version)
                return SchemaStatus(present=target, known=SCHEMA)
        finally:
            session.terminate()

    async def _connect(self) -> Session:
        return await connect(self._url, name="watership schema")


async def read_status(session: Session) -> SchemaStatus:
    present = await session.fetchval(_PRESENT)
    return SchemaStatus(present=await session.fetchval(_VERSION) if present else 0, known=SCHEMA)


def check(status: SchemaStatus) -> None:
    """Raise Conflict unless this build can work with the schema. Nobody migrates by the way."""
    if status.fits:
        return
    if status.present > SCHEMA.highest:
        raise too_new(status)
    raise Conflict(
        f"The database has schema {status.present or 'none'}; this build needs {SCHEMA.highest}.",
        fix="Run: watership db upgrade",
    )


def too_new(status: SchemaStatus) -> Conflict:
    return Conflict(
        f"The database has schema {status.present}; this build knows {SCHEMA.lowest} to {SCHEMA.highest}.",
        fix="Start the newer build, or go back with it first: watership db downgrade",
    )


def migration(name: str) -> str:
    """The text of one of our migrations."""
    return (resources.files("watership") / "migrations" / "postgres" / name).read_text(encoding="utf-8")
