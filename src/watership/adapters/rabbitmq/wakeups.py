"""Wake-ups of one deployment's pool: taken high priority first, acknowledged once the store has been asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final

from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

from watership.adapters.rabbitmq.acks import Acks
from watership.adapters.rabbitmq.calls import call
from watership.adapters.rabbitmq.declaration import apply
from watership.adapters.rabbitmq.letters import read_wakeup
from watership.adapters.rabbitmq.supervisor import Supervisor
from watership.adapters.rabbitmq.topology import PRIORITIES, base, wakeup_queue, wakeups
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import Bell, Observer, pool_topic
from watership.errors import BadInput

PREFETCH_MOST: Final = 2_000
"""What a quorum queue allows one consumer at most."""

STALE_SECONDS: Final = 10.0
"""A wake-up that was not taken for so long is dropped: its run stands in the store, where whoever is free finds it.

So no delivery is held long enough for the broker's consumer_timeout (30 min by default) to matter.
"""

STALE_LOOK_SECONDS: Final = 1.0


@dataclass(eq=False, slots=True)
class Delivery:
    """A message that is here; `open` are its runs that are not settled."""

    tag: int
    at: float
    open: dict[RunId, None]


class RabbitWakeups:
    """A Wakeups, and a Part of the consuming connection. Use it as an async context manager."""

    def __init__(
        self,
        deployment: DeploymentId,
        pool: str,
        slots: int,
        *,
        supervisor: Supervisor,
        bell: Bell,
        observer: Observer,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self._deployment = deployment
        self._pool = pool
        self._topic = pool_topic(deployment, pool)
        self._prefetch = min(slots, PREFETCH_MOST)
        self._supervisor = supervisor
        self._bell = bell
        self._observer = observer
        self._stale_seconds = stale_seconds
        self._acks: Acks | None = None
        self._channel: AbstractChannel | None = None
        self._waiting: dict[int, deque[tuple[RunId, Delivery]]] = {
            priority: deque() for priority, _ in PRIORITIES
        }
        self._taken: dict[RunId, list[Delivery]] = {}
        self._stack = contextlib.AsyncExitStack()
        self._watch: asyncio.Task[None] | None = None

    # --- life -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> RabbitWakeups:
        self._watch = asyncio.create_task(self._drop_stale(), name=f"stale wake-ups of {self._pool}")
        await self._stack.enter_async_context(self._supervisor.carrying(self))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What was not settled goes to other workers."""
        await self._stack.aclose()
        if self._watch is not None:
            self._watch.cancel()
        if self._acks is not None:
            await self._acks.close()
        self.lost()

    async def open(self, connection: AbstractConnection) -> None:
        """Consume the pool's queues, which are made if they are not there."""
        await apply(connection, [*base(), *wakeups(self._deployment, self._pool)])
        channel = await self._supervisor.open_channel(connection)
        self._channel, self._acks = channel, Acks(channel, self._supervisor, self._observer)
        await call("setting the prefetch", channel.basic_qos(prefetch_count=self._prefetch))
        for priority, _ in PRIORITIES:
            queue = wakeup_queue(self._deployment, self._pool, priority)
            arrive = partial(self._arrive, priority)
            await call(f"consuming {queue}", channel.basic_consume(queue, arrive))

    def lost(self) -> None:
        """What was not acknowledged comes again, to us or to others."""
        self._channel, self._acks = None, None
        for waiting in self._waiting.values():
            waiting.clear()
        self._taken.clear()

    # --- the port ---------------------------------------------------------------------------------------------

    def take(self, limit: int) -> tuple[RunId, ...]:
        """Up to `limit` runs, high priority first; one that arrived twice is taken once."""
        runs: dict[RunId, None] = {}
        for waiting in self._waiting.values():
            while waiting and (len(runs) < limit or waiting[0][0] in runs):
                run_id, delivery = waiting.popleft()
                runs[run_id] = None
                self._taken.setdefault(run_id, []).append(delivery)
        return tuple(runs)

    def settle(self, runs: Sequence[RunId]) -> None:
        """The store was asked for these. A wake-up that came after they were taken stays: it may tell of more."""
        for run_id in runs:
            for delivery in self._taken.pop(run_id, ()):
                self._close(run_id, delivery)

    @property
    def pending(self) -> int:
        """Runs that arrived and were not taken yet."""
        return sum(map(len, self._waiting.values()))

    # --- deliveries -------------------------------------------------------------------------------------------

    async def _arrive(self, priority: int, message: DeliveredMessage) -> None:
        tag = message.delivery_tag
        if self._acks is None or message.channel is not self._channel or tag is None:
            return  # of a connection that is gone: it comes again
        self._acks.expect(tag)
        try:
            runs = read_wakeup(message.body)
        except BadInput as error:
            self._observer.note("wake-up undecodable", pool=self._pool, reason=str(error))
            self._acks.reject(tag)  # to the dead letters, which is where somebody may look at it
            return
        delivery = Delivery(tag, asyncio.get_running_loop().time(), dict.fromkeys(runs))
        if not runs:
            self._acks.settle(tag)
        self._waiting[priority].extend((run_id, delivery) for run_id in delivery.open)
        self._bell.ring((self._topic,))

    def _close(self, run_id: RunId, delivery: Delivery) -> None:
        delivery.open.pop(run_id, None)
        if not delivery.open and self._acks is not None:
            self._acks.settle(delivery.tag)

    async def _drop_stale(self) -> None:
        while True:
            await asyncio.sleep(min(STALE_LOOK_SECONDS, self._stale_seconds))
            oldest = asyncio.get_running_loop().time() - self._stale_seconds
            dropped = sum(self._drop(waiting, oldest) for waiting in self._waiting.values())
            if dropped:
                self._observer.note("wake-ups dropped", pool=self._pool, count=dropped)

    def _drop(self, waiting: deque[tuple[RunId, Delivery]], oldest: float) -> int:
        count = 0
        while waiting and waiting[0][1].at < oldest:
            self._close(*waiting.popleft())
            count += 1
        return count
