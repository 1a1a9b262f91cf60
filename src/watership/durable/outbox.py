"""The outbox holds what a broker is to carry, committed together with what caused it.

The store carries truth and the broker carries wake-ups: a letter that is lost is sent again by whoever finds it in the
outbox, and one that arrives twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from watership.durable.events import Failure
from watership.durable.ids import DeploymentId, RunId
from watership.durable.states import RunState


class Wakeup(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one queue that became READY in one transaction."""

    deployment: DeploymentId
    pool: str
    priority: int
    runs: tuple[RunId, ...]


class Moved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run came to a state that others want to hear of. `reply_to` stands only on the end of a run that has one."""

    run_id: RunId
    program: str
    tenant: str
    deployment: DeploymentId
    state: RunState
    at: datetime
    seq: int
    conversation: str | None = None
    parent: RunId | None = None
    reply_to: str = ""
    result: msgspec.Raw = msgspec.Raw(b"null")
    failure: Failure | None = None


class Announced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result of a step with a topic: the `seq`-th entry of its run's journal."""

    topic: str
    value: msgspec.Raw
    run_id: RunId
    program: str
    tenant: str
    deployment: DeploymentId
    at: datetime
    seq: int
    conversation: str | None = None
    parent: RunId | None = None


class Letter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that one transaction has for the broker."""

    wakeups: tuple[Wakeup, ...] = ()
    moved: tuple[Moved, ...] = ()
    announced: tuple[Announced, ...] = ()


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A letter as it stands in the outbox, under its number."""

    number: int
    letter: Letter


class Outbox(Protocol):
    """Letters that nobody has confirmed yet; in the runs' database."""

    async def overdue(self, seconds: float, limit: int) -> Sequence[Posted]:
        """Letters written more than `seconds` ago, oldest first; each is handed to one caller at a time."""

    async def discard(self, numbers: Sequence[int]) -> None:
        """Take out letters whose every message the broker has confirmed. Twice is once."""

    async def waiting(self) -> int:
        """How many letters stand in the outbox."""


class Post(Protocol):
    """Sends letters, now if it can."""

    def send(self, posted: Posted) -> None:
        """Take a letter that was just committed. Never blocks or raises: what is not sent stays in the outbox."""


class Wakeups(Protocol):
    """Runs that a broker says are READY for one worker's pool. The store decides whether they are.

    An arrival rings the pool's topic on the process's own bell.
    """

    def take(self, limit: int) -> tuple[RunId, ...]:
        """Up to `limit` runs that arrived and were not taken yet; perhaps none. Never blocks."""

    def settle(self, runs: Sequence[RunId]) -> None:
        """These were claimed, or the store said that they are not to be had: their deliveries can be acknowledged."""
