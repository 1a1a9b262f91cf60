"""taskiq on aio-pika: a quorum queue, results in Redis, acknowledged when the result is stored (its default)."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from taskiq_aio_pika import AioPikaBroker, Queue, QueueType
from taskiq_redis import RedisAsyncResultBackend

from benchmarks.peers import results, work
from benchmarks.peers.peer import POLL_SECONDS, Client, Pending
from benchmarks.peers.place import Place, here

PROCESSES = 2
"""Of the worker: one for each core that the goals are stated for."""

RESULT_SECONDS = 30.0
"""How long a client waits for one result before it says that there is none."""


def made(place: Place) -> AioPikaBroker:
    queue = Queue(name="peers", type=QueueType.QUORUM, routing_key="peers")
    broker = AioPikaBroker(place.rabbit, task_queues=[queue], qos=100)
    return broker.with_result_backend(RedisAsyncResultBackend(place.redis))


broker = made(here())
add_one = broker.register_task(work.add_one_async, task_name="add_one", queue_name="peers")
nap = broker.register_task(work.nap_async, task_name="nap", queue_name="peers")


class TaskiqClient:
    def __init__(self, place: Place) -> None:
        self._place = place

    async def submit(self, number: int) -> Pending:
        task = await add_one.kiq(number)

        async def result() -> int:
            answer = await task.wait_result(check_interval=POLL_SECONDS, timeout=RESULT_SECONDS)
            if answer.is_err:
                raise RuntimeError(f"taskiq: {answer.error!r}")
            return int(answer.return_value)

        return result

    async def stored(self) -> int:
        return await results.keys(self._place.redis)

    async def nap(self, path: str) -> None:
        await nap.kiq(path)


class TaskiqPeer:
    version = version("taskiq")
    submitters = 64
    imports = "import benchmarks.peers.on_taskiq, taskiq.cli.worker.run"
    supervised = False

    def prepare(self, place: Place) -> None:
        """It has no tables."""

    def front(self, place: Place) -> Mapping[str, Sequence[str]]:
        return {}

    def worker(self, place: Place) -> Sequence[str]:
        return [
            *(sys.executable, "-m", "taskiq", "worker", "benchmarks.peers.on_taskiq:broker"),
            *("--workers", str(PROCESSES), "--log-level", "WARNING"),
        ]

    def idle(self, place: Place) -> Sequence[str]:
        return self.worker(place)

    @asynccontextmanager
    async def opened(self, place: Place, *, working: bool = True) -> AsyncIterator[Client]:
        await broker.startup()
        try:
            yield TaskiqClient(place)
        finally:
            await broker.shutdown()


PEER = TaskiqPeer()
