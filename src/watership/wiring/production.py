"""What a company runs: PostgreSQL, and beside it RabbitMQ and Redis where the configuration names them."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from watership.adapters.postgres.bell import PostgresBell
from watership.adapters.postgres.store import PostgresStore
from watership.adapters.postgres.witness import PostgresWitness
from watership.adapters.rabbitmq.broker import Broker
from watership.adapters.rabbitmq.inbox import RabbitInbox
from watership.adapters.rabbitmq.relay import Relay
from watership.adapters.rabbitmq.wakeups import RabbitWakeups
from watership.agents.messages import Messages
from watership.config import Config
from watership.durable.clock import Clock, SystemClock
from watership.durable.committer import Committer
from watership.durable.ids import DeploymentId, NewId, random_ids
from watership.durable.outbox import Wakeups
from watership.durable.ports import Observer
from watership.durable.states import TERMINAL, RunState
from watership.wiring.kernel import Kernel, OpenInbox, OpenWakeups, no_inbox, no_wakeups
from watership.wiring.shared import Probe, open_shared

TELL = {"none": frozenset[RunState](), "ends": TERMINAL, "all": frozenset(RunState)}
"""broker.tell → the states whose coming is told on the events exchange."""

SWEEP_SECONDS = 0.05
"""How often the one who holds the sweeper's lock looks for dead workers: their runs go on elsewhere at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """What carries wake-ups, messages and events: RabbitMQ, or the database's notifications alone."""

    relay: Relay | None
    open_wakeups: OpenWakeups
    open_inbox: OpenInbox
    full: Callable[[], bool]
    probe: Probe
    words: str


@asynccontextmanager
async def open_production(
    config: Config, observer: Observer, *, shares: bool = True
) -> AsyncIterator[Kernel]:
    """Open the servers' connections. PostgreSQL must answer; the others may come later, and come and go."""
    clock, new_id = SystemClock(), random_ids()
    name = f"watership {socket.gethostname()} {os.getpid()}"
    async with (
        await PostgresStore.open(
            config.store.url, outbox=bool(config.broker.url), tell=TELL[config.broker.tell], name=name
        ) as store,
        PostgresBell(config.store.url, observer, pools=not config.broker.url) as bell,
        _carrier(config, store, bell, name=name, clock=clock, new_id=new_id, observer=observer) as carrier,
        Committer(store, bell, clock, carrier.relay) as committer,
        open_shared(config.cache.url if shares else "", clock, observer) as shared,
    ):
        yield Kernel(
            store=store,
            committer=committer,
            bell=bell,
            witnesses=lambda: PostgresWitness(config.store.url),
            sweep_seconds=SWEEP_SECONDS,
            clock=clock,
            new_id=new_id,
            observer=observer,
            probes={"database": store.ping, "rabbitmq": carrier.probe, "redis": shared.probe},
            adapters={
                "database": "postgresql",
                "rabbitmq": carrier.words,
                "redis": shared.adapter,
            },
            vital=frozenset({"database"}),
            open_wakeups=carrier.open_wakeups,
            open_inbox=carrier.open_inbox,
            full=carrier.full,
            shared=shared,
        )


@asynccontextmanager
async def _carrier(
    config: Config,
    store: PostgresStore,
    bell: PostgresBell,
    *,
    name: str,
    clock: Clock,
    new_id: NewId,
    observer: Observer,
) -> AsyncIterator[Carrier]:
    if not config.broker.url:
        yield Carrier(
            relay=None,
            open_wakeups=no_wakeups,
            open_inbox=no_inbox,
            full=lambda: False,
            probe=lambda: bell.cross(store.notify, new_id()),
            words="none configured: the database's notifications carry the wake-ups",
        )
        return
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(
            Broker(
                config.broker.url, name=name, observer=observer, new_id=new_id, ca_file=config.broker.ca_file
            )
        )
        relay = await stack.enter_async_context(Relay(store.outbox, broker, observer))

        def wakeups(deployment: DeploymentId, pool: str, slots: int) -> AbstractAsyncContextManager[Wakeups]:
            return RabbitWakeups(
                deployment, pool, slots, supervisor=broker.consuming, bell=bell, observer=observer
            )

        def inbox(messages: Messages) -> AbstractAsyncContextManager[object]:
            return RabbitInbox(
                broker,
                messages,
                tenant=config.broker.tenant,
                clock=clock,
                observer=observer,
                busy=relay.full,
            )

        yield Carrier(
            relay=relay,
            open_wakeups=wakeups,
            open_inbox=inbox,
            full=relay.full,
            probe=broker.ping,
            words="rabbitmq",
        )
