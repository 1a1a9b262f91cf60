"""The embedded default: SQLite, Unix datagrams and file locks in one folder; nothing to install."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from watership.adapters.files.bell import FilesBell
from watership.adapters.files.fanout import FilesFanout
from watership.adapters.files.witness import FileWitness
from watership.adapters.sqlite.store import SQLiteStore
from watership.config import Config
from watership.durable.clock import SystemClock
from watership.durable.committer import Committer
from watership.durable.ids import random_ids
from watership.durable.ports import Observer
from watership.errors import BadInput
from watership.wiring.kernel import Kernel, no_inbox, no_wakeups
from watership.wiring.shared import open_shared

SCHEME = "sqlite:///"


@asynccontextmanager
async def open_embedded(config: Config, observer: Observer) -> AsyncIterator[Kernel]:
    """Open the file and what belongs to it, in this process. A broker or a cache has no place beside it."""
    _refuse_servers(config)
    path = store_path(config.store.url)
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    clock, new_id = SystemClock(), random_ids()
    with closing(FilesBell(folder / "bells")) as bell, closing(FilesFanout(folder / "fans")) as fanout:
        async with (
            await SQLiteStore.open(path, clock=clock) as store,
            Committer(store, bell, clock) as committer,
            open_shared(config.cache.url, clock, observer, fanout) as shared,
        ):
            yield Kernel(
                store=store,
                committer=committer,
                bell=bell,
                witnesses=lambda: FileWitness(folder / "workers"),
                clock=clock,
                new_id=new_id,
                observer=observer,
                probes={
                    "database": store.ping,
                    "rabbitmq": lambda: bell.cross(new_id()),
                    "redis": shared.probe,
                },
                adapters={
                    "database": "sqlite",
                    "rabbitmq": "embedded: Unix datagrams carry the wake-ups",
                    "redis": shared.adapter,
                },
                vital=frozenset({"database", "rabbitmq", "redis"}),
                open_wakeups=no_wakeups,
                open_inbox=no_inbox,
                full=lambda: False,
                shared=shared,
            )


def store_path(url: str) -> Path:
    """The file of a sqlite:/// URL; BadInput for another scheme, which the command at hand has no use for."""
    if not url.startswith(SCHEME):
        raise BadInput(
            f"This does not work on {url.partition(':')[0]}://.",
            fix=f"Set store.url to {SCHEME}.watership/watership.db",
        )
    return Path(url.removeprefix(SCHEME))


def _refuse_servers(config: Config) -> None:
    for name, url in (("broker.url", config.broker.url), ("cache.url", config.cache.url)):
        if url:
            raise BadInput(
                f"{name} is set beside a SQLite store, which one machine's processes share without it.",
                fix=f"Remove {name}, or set store.url to postgresql://user:password@host/database.",
            )
