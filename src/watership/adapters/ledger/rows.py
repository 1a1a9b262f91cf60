"""Rows are what the ledger asks of a store's tables, inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from watership.durable.counters import Count
from watership.durable.events import AnyEvent, Entry
from watership.durable.ids import DeploymentId, EntryId, RunId, SignalId, WorkerId
from watership.durable.run import Run, Signal
from watership.durable.writes import Renew
from watership.fleet.intake import IntakeState


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What an idempotency key stands for: the request's hash and the submission that came first."""

    scope: str
    key: str
    hash: str
    run_id: RunId
    at: datetime


class RunRows(Protocol):
    """Runs, oldest first wherever there are several."""

    def run(self, run_id: RunId) -> Run | None:
        """The run; its `input` may be left out (see `whole`)."""

    def whole(self, run: Run) -> Run:
        """The run with its input."""

    def add(self, run: Run) -> None: ...

    def put(self, run: Run) -> None:
        """Replace a run that exists; its input stays."""

    def due(
        self, deployment: DeploymentId, pool: str, now: datetime, limit: int, paused: Sequence[str]
    ) -> Sequence[Run]:
        """What may be claimed: high priority first, then oldest. Nothing that is held back while these are `paused`."""

    def free(self, wanted: Sequence[RunId]) -> Sequence[Run]:
        """Those of `wanted` that exist, in this order; without those that another transaction is writing now."""

    def leased(self, worker: WorkerId) -> Sequence[Run]: ...

    def unclaimed(self, deployment: DeploymentId) -> Sequence[Run]:
        """READY or QUEUED with epoch 0."""

    def children(self, parent: RunId) -> int:
        """How many keys of `parent` have a child."""

    def open_children(self, parent: RunId) -> Sequence[Run]:
        """Those that have not ended."""

    def active(self, tenant: str, conversation: str) -> Run | None:
        """The oldest run of the conversation that is neither ended nor QUEUED."""

    def queued(self, tenant: str, conversation: str) -> int: ...

    def next_queued(self, tenant: str, conversation: str) -> Run | None: ...


class JournalRows(Protocol):
    """Journals and inboxes, and the ids under which they were written."""

    def append(self, entry: Entry) -> None: ...

    def events(self, run_id: RunId) -> tuple[AnyEvent, ...]: ...

    def remember(self, run_id: RunId, entry_id: EntryId) -> None: ...

    def remembers(self, run_id: RunId, entry_id: EntryId) -> bool: ...

    def add_signal(self, signal: Signal) -> None: ...

    def has_signal(self, run_id: RunId, signal_id: SignalId) -> bool: ...

    def signals(self, run_id: RunId) -> tuple[Signal, ...]: ...


class BookRows(Protocol):
    """What is remembered beside the runs: requests, injected messages, workers, counters, the intake."""

    def request(self, scope: str, key: str) -> Request | None: ...

    def put_request(self, request: Request) -> None: ...

    def forget_requests(self, before: datetime, limit: int) -> None: ...

    def injected(self, submission: RunId) -> RunId | None:
        """The run that took the message of this submission."""

    def put_injected(self, submission: RunId, into: RunId) -> None: ...

    def put_worker(self, renewal: Renew, seen_at: datetime) -> None: ...

    def drop_worker(self, worker: WorkerId) -> None: ...

    def gone(self, worker: WorkerId) -> bool:
        """Whether nobody has the worker's session lock, from now to the commit; True where none can be had again."""

    def forget_workers(self, before: datetime) -> None: ...

    def count(self, name: str) -> Count:
        """The counter, under its lock; of nought where nobody has counted on it."""

    def put_count(self, count: Count) -> None: ...

    def intake(self) -> IntakeState: ...

    def put_intake(self, state: IntakeState) -> None: ...


class Rows(RunRows, JournalRows, BookRows, Protocol):
    """All the tables."""
