"""What a process reads and writes runs with; the URLs of the configuration choose what stands behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from watership.agents.messages import Messages
from watership.config import Config
from watership.durable.clock import Clock
from watership.durable.committer import Committer
from watership.durable.ids import DeploymentId, NewId
from watership.durable.outbox import Wakeups
from watership.durable.ports import Bell, Observer, Runs, Store, Witness
from watership.durable.worker import SWEEP_SECONDS
from watership.errors import BadInput
from watership.fleet.deployment import Deployments
from watership.fleet.flags import Flags
from watership.fleet.intake import Intake
from watership.wiring.shared import Probe, Shared

OpenWakeups = Callable[[DeploymentId, str, int], AbstractAsyncContextManager[Wakeups | None]]
"""The wake-ups of one deployment's pool for a worker of so many slots; None where no broker carries them."""


OpenInbox = Callable[[Messages], AbstractAsyncContextManager[object]]
"""The broker's front door: while it is open, messages of any of its clients start runs."""


class RunStore(Store, Runs, Intake, Flags, Deployments, Protocol):
    """Everything that the runs' database answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Of one process. `probes` and `adapters` say what stands behind database, rabbitmq and redis."""

    store: RunStore
    committer: Committer
    bell: Bell
    witnesses: Callable[[], Witness]
    """Makes a witness: each worker holds a lock of its own."""
    clock: Clock
    new_id: NewId
    observer: Observer
    probes: Mapping[str, Probe]
    adapters: Mapping[str, str]
    vital: frozenset[str]
    """Components without which nothing can be served."""
    open_wakeups: OpenWakeups
    open_inbox: OpenInbox
    full: Callable[[], bool]
    """Whether so much waits for the broker that no new work is to be accepted."""
    shared: Shared
    sweep_seconds: float = SWEEP_SECONDS
    """How often a worker looks for dead ones."""


def open_kernel(
    config: Config, observer: Observer, *, shares: bool = True
) -> AbstractAsyncContextManager[Kernel]:
    """Open what the URLs of `config` name; all is closed at the end of the block.

    A process that `shares` nothing with others but the store leaves the cache's server alone.
    """
    scheme = urlsplit(config.store.url).scheme
    if scheme == "sqlite":
        from watership.wiring.embedded import open_embedded

        return open_embedded(config, observer)
    if scheme in {"postgresql", "postgres"}:
        from watership.wiring.production import open_production

        return open_production(config, observer, shares=shares)
    raise BadInput(
        f"There is no store for {scheme or config.store.url}://.",
        fix="Set store.url to sqlite:///.watership/watership.db or postgresql://user:password@host/database.",
    )


@asynccontextmanager
async def no_wakeups(deployment: DeploymentId, pool: str, slots: int) -> AsyncIterator[None]:
    """Without a broker the bell wakes the workers, and the store says what is due."""
    yield None


@asynccontextmanager
async def no_inbox(messages: Messages) -> AsyncIterator[None]:
    """Without a broker HTTP is the only door."""
    yield None
