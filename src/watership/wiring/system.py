"""The store of the system that is released, as who acts on it from outside opens it: by the scheme of `store.url`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from watership.config import Config
from watership.durable.clock import SystemClock
from watership.wiring.embedded import SCHEME, store_path

if TYPE_CHECKING:
    from watership.wiring.kernel import RunStore

NAME = "watership controller"
"""By which the database knows our sessions."""

WRITERS, READERS = 1, 2
"""Connections: a controller does one thing at a time."""


def is_there(config: Config) -> bool:
    """Whether an environment was ever begun here: its own file, or its folder where a server keeps the runs."""
    if config.store.url.startswith(SCHEME):
        return store_path(config.store.url).is_file()
    return Path(config.environment.state).is_dir()


async def open_system(config: Config, *, waits: bool = False) -> AbstractAsyncContextManager[RunStore]:
    """Open the store that `store.url` names, to act on it from outside.

    With `waits` a server must answer, and have our schema: Unavailable and Conflict are raised here, not later.
    Without, whoever asks it is told: a controller must come up where the system that it is to take back is down.
    """
    if config.store.url.startswith(("postgresql://", "postgres://")):
        # Loaded where they are used: a machine without servers has neither driver.
        from watership.adapters.postgres.store import PostgresStore
        from watership.wiring.production import TELL

        # What we leave in the outbox goes to the broker by way of the deployments' own relays. It need not be quick:
        # a worker that has room finds a run that is due by itself, within a quarter of a second.
        return await PostgresStore.open(
            config.store.url,
            outbox=bool(config.broker.url),
            tell=TELL[config.broker.tell],
            writers=WRITERS,
            readers=READERS,
            name=NAME,
            waits=waits,
        )
    from watership.adapters.sqlite.store import SQLiteStore

    path = store_path(config.store.url)
    if waits:
        path.parent.mkdir(parents=True, exist_ok=True)
    return await SQLiteStore.open(path, clock=SystemClock())
