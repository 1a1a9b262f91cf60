"""The tables as dictionaries; every change notes how to undo it, so that a transaction can be given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from watership.adapters.ledger.bounds import DUE_WINDOW
from watership.adapters.ledger.rows import Request
from watership.durable.counters import Count
from watership.durable.events import AnyEvent, Entry, dump, load
from watership.durable.ids import DeploymentId, EntryId, RunId, SignalId, WorkerId
from watership.durable.run import Run, Signal
from watership.durable.states import RunState
from watership.durable.writes import Renew
from watership.fleet.intake import IntakeState, holds_back

K = TypeVar("K")
V = TypeVar("V")


class Stored(msgspec.Struct, frozen=True):
    """A journal entry as it is kept: encoded, so that what comes back is what a database would give."""

    seq: int
    epoch: int
    at: datetime
    version: int
    body: bytes

    def entry(self, run_id: RunId) -> Entry:
        return Entry(
            run_id=run_id, seq=self.seq, epoch=self.epoch, at=self.at, event=load(self.version, self.body)
        )


class MemoryRows:
    """The tables of a MemoryStore."""

    def __init__(self) -> None:
        self.runs: dict[RunId, Run] = {}
        self.live: dict[RunId, Run] = {}
        """Those that have not ended."""
        self.serials: dict[RunId, int] = {}
        self.children_of: dict[RunId, set[str]] = {}
        self.journals: dict[RunId, list[Stored]] = {}
        self.inboxes: dict[RunId, list[Signal]] = {}
        self.workers: dict[WorkerId, tuple[Renew, datetime]] = {}
        self._written: set[tuple[RunId, EntryId]] = set()
        self._signal_ids: set[tuple[RunId, SignalId]] = set()
        self._requests: dict[tuple[str, str], Request] = {}
        self._injected: dict[RunId, RunId] = {}
        self.counts: dict[str, Count] = {}
        self._intake: dict[str, IntakeState] = {"": IntakeState(weights={})}
        self._undo: list[Callable[[], object]] = []

    def keep(self) -> None:
        """Commit."""
        self._undo.clear()

    def give_up(self) -> None:
        """Roll back to the last commit."""
        while self._undo:
            self._undo.pop()()

    # --- runs -------------------------------------------------------------------------------------

    def run(self, run_id: RunId) -> Run | None:
        return self.runs.get(run_id)

    def whole(self, run: Run) -> Run:
        return run

    def add(self, run: Run) -> None:
        assert run.id not in self.runs
        self._set(self.serials, run.id, len(self.serials) + 1)
        if run.parent is not None:
            self._include(self.children_of.setdefault(run.parent, set()), run.parent_key or "")
        self.put(run)

    def put(self, run: Run) -> None:
        self._set(self.runs, run.id, run)
        if not run.ended:
            self._set(self.live, run.id, run)
        elif run.id in self.live:
            self._remove(self.live, run.id)

    def due(
        self, deployment: DeploymentId, pool: str, now: datetime, limit: int, paused: Sequence[str]
    ) -> list[Run]:
        pool_runs = (run for run in self.live.values() if run.deployment == deployment and run.pool == pool)
        here = [run for run in pool_runs if not holds_back(paused, run)]
        waiting = (run for run in here if run.state is RunState.WAITING and _passed(run.wake_at, now))
        running = (run for run in here if run.state is RunState.RUNNING and _passed(run.lease_until, now))
        due = [run for run in here if run.state is RunState.READY]
        due += self._first(waiting, lambda run: run.wake_at)
        due += self._first(running, lambda run: run.lease_until)
        return sorted(due, key=lambda run: (-run.priority, self.serials[run.id]))[:limit]

    def free(self, wanted: Sequence[RunId]) -> list[Run]:
        return [run for run_id in wanted if (run := self.run(run_id)) is not None]

    def leased(self, worker: WorkerId) -> list[Run]:
        running = (run for run in self.live.values() if run.state is RunState.RUNNING)
        return self.in_order(run for run in running if run.lease_owner == worker)

    def unclaimed(self, deployment: DeploymentId) -> list[Run]:
        states = {RunState.READY, RunState.QUEUED}
        here = (run for run in self.live.values() if run.deployment == deployment and run.state in states)
        return self.in_order(run for run in here if run.epoch == 0)

    def children(self, parent: RunId) -> int:
        return len(self.children_of.get(parent, ()))

    def open_children(self, parent: RunId) -> list[Run]:
        return self.in_order(run for run in self.live.values() if run.parent == parent)

    def active(self, tenant: str, conversation: str) -> Run | None:
        runs = self._conversation(tenant, conversation)
        return next((run for run in runs if run.state is not RunState.QUEUED), None)

    def queued(self, tenant: str, conversation: str) -> int:
        return sum(run.state is RunState.QUEUED for run in self._conversation(tenant, conversation))

    def next_queued(self, tenant: str, conversation: str) -> Run | None:
        runs = self._conversation(tenant, conversation)
        return next((run for run in runs if run.state is RunState.QUEUED), None)

    def _conversation(self, tenant: str, conversation: str) -> list[Run]:
        runs = (run for run in self.live.values() if run.conversation == conversation)
        return self.in_order(run for run in runs if run.tenant == tenant)

    def in_order(self, runs: Iterable[Run]) -> list[Run]:
        """Oldest first."""
        return sorted(runs, key=lambda run: self.serials[run.id])

    def _first(self, runs: Iterable[Run], when: Callable[[Run], datetime | None]) -> list[Run]:
        return sorted(runs, key=lambda run: (when(run), self.serials[run.id]))[:DUE_WINDOW]

    # --- journals and inboxes ---------------------------------------------------------------------

    def append(self, entry: Entry) -> None:
        version, body = dump(entry.event)
        stored = Stored(entry.seq, entry.epoch, entry.at, version, body)
        self._push(self.journals.setdefault(entry.run_id, []), stored)

    def events(self, run_id: RunId) -> tuple[AnyEvent, ...]:
        return tuple(load(stored.version, stored.body) for stored in self.journals.get(run_id, ()))

    def remember(self, run_id: RunId, entry_id: EntryId) -> None:
        self._include(self._written, (run_id, entry_id))

    def remembers(self, run_id: RunId, entry_id: EntryId) -> bool:
        return (run_id, entry_id) in self._written

    def add_signal(self, signal: Signal) -> None:
        self._include(self._signal_ids, (signal.run_id, signal.id))
        self._push(self.inboxes.setdefault(signal.run_id, []), signal)

    def has_signal(self, run_id: RunId, signal_id: SignalId) -> bool:
        return (run_id, signal_id) in self._signal_ids

    def signals(self, run_id: RunId) -> tuple[Signal, ...]:
        return tuple(self.inboxes.get(run_id, ()))

    # --- the books --------------------------------------------------------------------------------

    def request(self, scope: str, key: str) -> Request | None:
        return self._requests.get((scope, key))

    def put_request(self, request: Request) -> None:
        self._set(self._requests, (request.scope, request.key), request)

    def forget_requests(self, before: datetime, limit: int) -> None:
        old = [key for key, request in self._requests.items() if request.at <= before]
        for key in old[:limit]:
            self._remove(self._requests, key)

    def injected(self, submission: RunId) -> RunId | None:
        return self._injected.get(submission)

    def put_injected(self, submission: RunId, into: RunId) -> None:
        self._set(self._injected, submission, into)

    def put_worker(self, renewal: Renew, seen_at: datetime) -> None:
        self._set(self.workers, renewal.worker, (replace(renewal, runs={}), seen_at))

    def drop_worker(self, worker: WorkerId) -> None:
        if worker in self.workers:
            self._remove(self.workers, worker)

    def gone(self, worker: WorkerId) -> bool:
        return True

    def forget_workers(self, before: datetime) -> None:
        for worker in [worker for worker, (_, seen_at) in self.workers.items() if seen_at <= before]:
            self._remove(self.workers, worker)

    def count(self, name: str) -> Count:
        return self.counts.get(name) or Count(name=name)

    def put_count(self, count: Count) -> None:
        self._set(self.counts, count.name, count)

    def intake(self) -> IntakeState:
        return self._intake[""]

    def put_intake(self, state: IntakeState) -> None:
        self._set(self._intake, "", state)

    # --- changes that can be undone ---------------------------------------------------------------

    def _set(self, table: MutableMapping[K, V], key: K, value: V) -> None:
        if key in table:
            before = table[key]
            self._undo.append(lambda: table.__setitem__(key, before))
        else:
            self._undo.append(lambda: table.__delitem__(key))
        table[key] = value

    def _remove(self, table: MutableMapping[K, V], key: K) -> None:
        before = table.pop(key)
        self._undo.append(lambda: table.__setitem__(key, before))

    def _include(self, table: set[K], value: K) -> None:
        if value not in table:
            table.add(value)
            self._undo.append(lambda: table.remove(value))

    def _push(self, table: list[V], value: V) -> None:
        table.append(value)
        self._undo.append(table.pop)


def _passed(when: datetime | None, now: datetime) -> bool:
    return when is not None and when <= now
