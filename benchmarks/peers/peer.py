"""A peer is somebody who runs durable jobs: how its processes are started, and how a client talks to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Protocol, cast

from benchmarks.peers.place import Place

POLL_SECONDS = 0.002
"""How often a client looks for a result where its library has nothing better: so much is in every latency."""

MODULES: Mapping[str, str] = {
    "watership": "on_watership",
    "celery-redis": "on_celery",
    "celery-postgres": "on_celery",
    "dramatiq": "on_dramatiq",
    "dbos": "on_dbos",
    "procrastinate": "on_procrastinate",
    "taskiq": "on_taskiq",
}
"""Loaded by name, each in a process of its own: no peer pays for another's imports."""

TITLES: Mapping[str, str] = {
    "watership": "Watership (HTTP, quorum, PostgreSQL)",
    "celery-redis": "Celery (quorum, acks_late, Redis)",
    "celery-postgres": "Celery (quorum, acks_late, PostgreSQL)",
    "dramatiq": "Dramatiq (quorum, confirms, Redis)",
    "dbos": "DBOS (PostgreSQL, one process)",
    "procrastinate": "procrastinate (PostgreSQL)",
    "taskiq": "taskiq (aio-pika, quorum, Redis)",
}

Pending = Callable[[], Awaitable[int]]
"""Wait for the result of a job that was submitted."""


class Client(Protocol):
    """Of one peer, in the process that measures."""

    async def submit(self, number: int) -> Pending:
        """Hand in one job; returns when the peer says that it is durable."""

    async def stored(self) -> int:
        """How many results of jobs stand in the peer's own store."""

    async def nap(self, path: str) -> None:
        """Hand in the job that sits still in the hands of its first owner."""


class Peer(Protocol):
    """`submitters` hand in jobs at a time. `imports`: what a worker process loads, as a Python statement."""

    version: str
    submitters: int
    imports: str
    supervised: bool
    """Whether a dead worker's jobs go on only when a process of the same name is started again."""

    def prepare(self, place: Place) -> None:
        """Make the tables that its users make beforehand."""

    def front(self, place: Place) -> Mapping[str, Sequence[str]]:
        """The commands of the processes that stand before the workers, by name."""

    def worker(self, place: Place) -> Sequence[str] | None:
        """The command of a worker; None when the client's own process is one."""

    def idle(self, place: Place) -> Sequence[str]:
        """The command of a worker that stands by itself: for its memory, and to be killed."""

    def opened(self, place: Place, *, working: bool = True) -> AbstractAsyncContextManager[Client]:
        """A client; `working`: it may execute jobs itself, where the peer is a library in one process."""


def load(name: str) -> Peer:
    """The peer of that name; imports it."""
    module = import_module(f"benchmarks.peers.{MODULES[name]}")
    return cast(Peer, module.PEER)
