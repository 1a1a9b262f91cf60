"""Through a glass a controller sees all that it writes to: a clear one, or that of whoever rehearses its deaths."""

from __future__ import annotations

from typing import Protocol

from watership.adapters.files.outbox import OutboxFile
from watership.adapters.sqlite.store import SQLiteStore
from watership.releases.environment import Environment


class Glass(Protocol):
    """What is returned behaves as what was given."""

    def environment(self, environment: Environment) -> Environment:
        """All that a release acts on."""

    def journal(self, store: SQLiteStore) -> SQLiteStore:
        """The controller's own store."""

    def outbox(self, box: OutboxFile) -> OutboxFile:
        """Where messages to people lie until they are delivered."""


class Clear:
    """Nothing is between."""

    def environment(self, environment: Environment) -> Environment:
        return environment

    def journal(self, store: SQLiteStore) -> SQLiteStore:
        return store

    def outbox(self, box: OutboxFile) -> OutboxFile:
        return box


CLEAR = Clear()
