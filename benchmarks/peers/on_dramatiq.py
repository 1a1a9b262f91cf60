"""Dramatiq as careful users run it: quorum queues, confirmed publishing, results in Redis."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.peers import results, work
from benchmarks.peers.peer import Client, Pending
from benchmarks.peers.place import Place, here

PROCESSES, THREADS = 2, 8
"""Of the worker: one process for each core, and Dramatiq's own default of threads."""

RESULT_MILLISECONDS = 30_000
"""How long a client waits for one result before it says that there is none."""


class QuorumBroker(RabbitmqBroker):  # type: ignore[misc]  # the library is not there where types are checked
    """Dramatiq declares classic queues and has no setting for it."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, object]:
        return {**super()._build_queue_arguments(queue_name), "x-queue-type": "quorum"}


def made(place: Place) -> QuorumBroker:
    broker = QuorumBroker(url=place.rabbit, confirm_delivery=True)
    broker.add_middleware(Results(backend=RedisBackend(url=place.redis), store_results=True))
    return broker


broker = made(here())
dramatiq.set_broker(broker)
add_one = dramatiq.actor(work.add_one, queue_name="peers", max_retries=0)
nap = dramatiq.actor(work.nap, queue_name="peers", max_retries=0)


class DramatiqClient:
    """Calls that block are made in threads; each thread gets a connection of its own from the library."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def submit(self, number: int) -> Pending:
        message = await asyncio.to_thread(add_one.send, number)

        def result() -> int:
            return int(message.get_result(block=True, timeout=RESULT_MILLISECONDS))

        return lambda: asyncio.to_thread(result)

    async def stored(self) -> int:
        return await results.keys(self._place.redis)

    async def nap(self, path: str) -> None:
        await asyncio.to_thread(nap.send, path)


class DramatiqPeer:
    version = version("dramatiq")
    submitters = 8
    imports = "import benchmarks.peers.on_dramatiq, dramatiq.cli"
    supervised = False

    def prepare(self, place: Place) -> None:
        """It has no tables."""

    def front(self, place: Place) -> Mapping[str, Sequence[str]]:
        return {}

    def worker(self, place: Place) -> Sequence[str]:
        return [
            *(sys.executable, "-m", "dramatiq", "benchmarks.peers.on_dramatiq"),
            *("--processes", str(PROCESSES), "--threads", str(THREADS)),
        ]

    def idle(self, place: Place) -> Sequence[str]:
        return self.worker(place)

    @asynccontextmanager
    async def opened(self, place: Place, *, working: bool = True) -> AsyncIterator[Client]:
        yield DramatiqClient(place)


PEER = DramatiqPeer()
