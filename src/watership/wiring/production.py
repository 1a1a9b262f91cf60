"""What a company runs: PostgreSQL, and beside it RabbitMQ and Redis where the configuration names them."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from watership.adapters.postgres.bell import PostgresBell
from watership.adapters.postgres.store import PostgresStore
from watership.adapters.postgres.witness import PostgresWitness
from watership.adapters.rabbitmq.broker import Broker
from watership.adapters.rabbitmq.relay import Relay
from watership.adapters.rabbitmq.wakeups import RabbitWakeups
from watership.config import Config
from watership.durable.clock import SystemClock
from watership.durable.committer import Committer
from watership.durable.ids import DeploymentId, random_ids
from watership.durable.outbox import Wakeups
from watership.durable.ports import Bell, Observer
from watership.durable.states import TERMINAL, RunState
from watership.wiring.embedded import no_wakeups, ring_once
from watership.wiring.kernel import Kernel, OpenWakeups

TELL = {"none": frozenset[RunState](), "ends": TERMINAL, "all": frozenset(RunState)}
"""broker.tell → the states whose coming is told on the events exchange."""


@asynccontextmanager
async def open_production(config: Config, observer: Observer) -> AsyncIterator[Kernel]:
    """Open the servers' connections. PostgreSQL must answer; the others may come later, and come and go."""
    clock, new_id = SystemClock(), random_ids()
    name = f"watership {socket.gethostname()} {os.getpid()}"
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            await PostgresStore.open(
                config.store.url, outbox=bool(config.broker.url), tell=TELL[config.broker.tell], name=name
            )
        )
        bell = await stack.enter_async_context(PostgresBell(config.store.url, observer=observer))
        relay, open_wakeups = None, no_wakeups
        probes = {"database": store.ping, "rabbitmq": ring_once(bell, new_id), "redis": store.read}
        adapters = {
            "database": "postgresql",
            "rabbitmq": "none configured: the database's notifications carry the wake-ups",
            "redis": "none configured: no cache, reads go to the store",
        }
        if config.broker.url:
            broker = await stack.enter_async_context(
                Broker(
                    config.broker.url, name=name, observer=observer, new_id=new_id, ca_file=config.broker.ca_file
                )
            )
            relay = await stack.enter_async_context(Relay(store, broker.publishing, observer))
            open_wakeups = _wakeups_from(broker, bell, observer)
            probes["rabbitmq"] = broker.ping
            adapters["rabbitmq"] = "rabbitmq"
        committer = await stack.enter_async_context(Committer(store, bell, clock, relay))
        yield Kernel(
            store=store,
            committer=committer,
            bell=bell,
            witnesses=lambda: PostgresWitness(config.store.url),
            clock=clock,
            new_id=new_id,
            observer=observer,
            probes=probes,
            adapters=adapters,
            vital=frozenset({"database"}),
            open_wakeups=open_wakeups,
        )


def _wakeups_from(broker: Broker, bell: Bell, observer: Observer) -> OpenWakeups:
    def opened(deployment: DeploymentId, pool: str, slots: int) -> AbstractAsyncContextManager[Wakeups]:
        return RabbitWakeups(
            deployment, pool, slots, supervisor=broker.consuming, bell=bell, observer=observer
        )

    return opened
