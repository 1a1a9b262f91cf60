"""The store that a company runs: PostgreSQL, shared by the processes of many machines."""

from __future__ import annotations

from watership.adapters.postgres.bell import PostgresBell
from watership.adapters.postgres.outbox import PostgresOutbox
from watership.adapters.postgres.schema import PostgresSchema
from watership.adapters.postgres.store import PostgresStore
from watership.adapters.postgres.witness import PostgresWitness

__all__ = [
    "PostgresBell",
    "PostgresOutbox",
    "PostgresSchema",
    "PostgresStore",
    "PostgresWitness",
]
