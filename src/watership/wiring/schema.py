"""The schema of the store that the configuration names."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from watership.adapters.ledger.versions import SchemaStatus
from watership.config import Config
from watership.wiring.embedded import store_path

__all__ = ["Schema", "SchemaStatus", "schema_of"]

POSTGRES = frozenset({"postgresql", "postgres"})


class Schema(Protocol):
    """Where a store's schema stands, and how it is moved."""

    async def status(self) -> SchemaStatus: ...

    async def upgrade(self) -> SchemaStatus: ...

    async def downgrade(self, version: int) -> SchemaStatus: ...


def schema_of(config: Config) -> Schema:
    """Raises BadInput for a URL of a store that we do not have."""
    if urlsplit(config.store.url).scheme in POSTGRES:
        from watership.adapters.postgres import PostgresSchema

        return PostgresSchema(config.store.url)
    from watership.adapters.sqlite.schema import SQLiteSchema

    return SQLiteSchema(store_path(config.store.url))
