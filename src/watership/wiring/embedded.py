"""The embedded default: SQLite, Unix datagrams and file locks in one folder; nothing to install."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from watership.adapters.files.bell import FilesBell
from watership.adapters.files.witness import FileWitness
from watership.adapters.sqlite.store import SQLiteStore
from watership.durable.clock import Clock, SystemClock
from watership.durable.committer import Committer
from watership.durable.ids import NewId, random_ids
from watership.durable.ports import Bell, Observer, Witness
from watership.errors import BadInput

SCHEME = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What a process needs to read and write runs. `store` is Store, Runs, Intake and Deployments in one."""

    store: SQLiteStore
    committer: Committer
    bell: Bell
    witnesses: Callable[[], Witness]
    """Makes a witness: each worker holds a lock of its own."""
    clock: Clock
    new_id: NewId
    observer: Observer


@asynccontextmanager
async def open_kernel(url: str, observer: Observer) -> AsyncIterator[Kernel]:
    """Open the store at `url` and what belongs to it, in this process; all is closed at the end of the block."""
    path = store_path(url)
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    bell = FilesBell(folder / "bells")
    try:
        async with (
            await SQLiteStore.open(path, clock=clock) as store,
            Committer(store, bell, clock) as committer,
        ):
            yield Kernel(
                store=store,
                committer=committer,
                bell=bell,
                witnesses=lambda: FileWitness(folder / "workers"),
                clock=clock,
                new_id=random_ids(),
                observer=observer,
            )
    finally:
        bell.close()


def store_path(url: str) -> Path:
    """The file of a sqlite:/// URL; BadInput for a scheme that has no adapter here."""
    if not url.startswith(SCHEME):
        raise BadInput(
            f"There is no store for {url.partition(':')[0]}:// in this version.",
            fix=f"Use {SCHEME}.watership/watership.db",
        )
    return Path(url.removeprefix(SCHEME))
