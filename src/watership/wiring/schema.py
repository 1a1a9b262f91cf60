"""The schema of the store that the configuration names."""

from __future__ import annotations

from typing import Protocol

from watership.adapters.sqlite.schema import SQLiteSchema
from watership.config import Config
from watership.fleet.build import SchemaStatus
from watership.wiring.embedded import store_path


class Schema(Protocol):
    """Numbered migrations, applied and taken back in order."""

    async def status(self) -> SchemaStatus: ...

    async def upgrade(self) -> SchemaStatus: ...

    async def downgrade(self, version: int) -> SchemaStatus: ...


def schema_of(config: Config) -> Schema:
    """Of PostgreSQL where store.url names one, else of the embedded file."""
    if not config.store.url.startswith(("postgresql://", "postgres://")):
        return SQLiteSchema(store_path(config.store.url))
    from watership.adapters.postgres.schema import PostgresSchema

    return PostgresSchema(config.store.url)
