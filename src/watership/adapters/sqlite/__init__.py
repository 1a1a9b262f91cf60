"""The embedded store: one SQLite file, shared by the processes of one machine."""

from __future__ import annotations

from watership.adapters.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
