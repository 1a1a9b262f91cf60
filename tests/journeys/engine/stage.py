"""The stage: what the roles stand on, and the links between them. Embedded, or PostgreSQL, RabbitMQ and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit, urlunsplit

from tests.journeys.engine.faults import SERVERS, Server
from watership.adapters.structlog.observer import StructlogObserver
from watership.config import Config, load
from watership.durable.events import Entry
from watership.durable.ports import RunFilter
from watership.durable.run import Run
from watership.testing.link import Link
from watership.wiring.kernel import Kernel, RunStore, open_kernel

PAGE = 500
"""Runs that are read at a time, with their journals."""

READERS = 8
"""Journals that are asked for at a time."""


class Stage(Protocol):
    """What the campaign needs of it."""

    folder: Path

    @property
    def has_servers(self) -> bool: ...

    def settings(self, role: str) -> dict[str, str]:
        """The settings of one process: each has links of its own to the servers."""

    def direct(self) -> dict[str, str]:
        """The settings that lead past all links, for whoever looks."""

    def link(self, role: str, server: Server) -> Link: ...


class EmbeddedStage:
    """Everything in one folder. There is nothing to break but the processes."""

    has_servers = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def settings(self, role: str) -> dict[str, str]:
        return self.direct()

    def direct(self) -> dict[str, str]:
        return {"WATERSHIP_STORE_URL": f"sqlite:///{self.folder / 'state' / 'watership.db'}"}

    def link(self, role: str, server: Server) -> Link:
        raise AssertionError("nothing is linked here")


class LinkedStage:
    """Three servers, whose URLs are given, and a link from each process to each of them. Use as a context manager."""

    has_servers = True

    def __init__(self, folder: Path, urls: Mapping[Server, str], roles: Sequence[str]) -> None:
        self.folder = folder
        self._urls = urls
        self._roles = roles
        self._links: dict[tuple[str, Server], Link] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for role in self._roles:
            for server in SERVERS:
                where = urlsplit(self._urls[server])
                assert where.hostname is not None and where.port is not None
                self._links[role, server] = self._open.enter_context(Link(where.hostname, where.port))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def settings(self, role: str) -> dict[str, str]:
        return _variables(
            {server: _by_way_of(self._urls[server], self._links[role, server]) for server in SERVERS}
        )

    def direct(self) -> dict[str, str]:
        return _variables(self._urls)

    def link(self, role: str, server: Server) -> Link:
        return self._links[role, server]


def _variables(urls: Mapping[Server, str]) -> dict[str, str]:
    return {
        "WATERSHIP_STORE_URL": urls["postgres"],
        "WATERSHIP_BROKER_URL": urls["rabbitmq"],
        "WATERSHIP_CACHE_URL": urls["redis"],
    }


def _by_way_of(url: str, link: Link) -> str:
    parts = urlsplit(url)
    who, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{who}{at}127.0.0.1:{link.port}"))


def config_of(stage: Stage) -> Config:
    """The configuration of whoever looks."""
    # Looking needs no broker and no cache, and must not take part.
    return load(stage.folder, {"WATERSHIP_STORE_URL": stage.direct()["WATERSHIP_STORE_URL"]})


def watching(stage: Stage) -> AbstractAsyncContextManager[Kernel]:
    """The store, past all links."""
    return open_kernel(config_of(stage), StructlogObserver(form="json", level="error"))


async def read_all(store: RunStore) -> tuple[dict[str, Run], dict[str, list[Entry]]]:
    """Every run and its whole journal, as the store holds them."""
    runs: dict[str, Run] = {}
    journals: dict[str, list[Entry]] = {}
    room = asyncio.Semaphore(READERS)

    async def read(run: Run) -> None:
        async with room:
            journals[run.id] = await _journal(store, run)

    after: str | None = None
    while True:
        page = await store.list(RunFilter(), limit=PAGE, after=after)
        runs |= {run.id: run for run in page.runs}
        await asyncio.gather(*(read(run) for run in page.runs))
        after = page.next
        if after is None:
            return runs, journals


async def _journal(store: RunStore, run: Run) -> list[Entry]:
    journal: list[Entry] = []
    while part := await store.journal(run.id, after=len(journal)):
        journal += part
    return journal
