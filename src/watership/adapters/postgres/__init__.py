"""The store that a company runs: PostgreSQL, shared by the processes of many machines."""

from __future__ import annotations

from watership.adapters.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
