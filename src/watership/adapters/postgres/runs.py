"""The runs of one transaction: read under their locks, changed in memory, and every search answered from here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from watership.adapters.ledger.claim import is_due
from watership.adapters.postgres.needs import (
    ChildrenNeed,
    ConversationNeed,
    DueNeed,
    FreeNeed,
    HistoryNeed,
    LeasedNeed,
    NotLoaded,
    OpenChildrenNeed,
    RunNeed,
    UnclaimedNeed,
)
from watership.adapters.postgres.remembered import RememberedRun
from watership.adapters.postgres.undo import Undo
from watership.durable.ids import DeploymentId, RunId, WorkerId, child_id
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.fleet.intake import holds_back

NEW = 1 << 62
"""Serials of runs that have none yet: they come after all that have."""


@dataclass(slots=True)
class Scan:
    """A search for what is due: how many of each kind were asked for, and which came that nobody else is writing."""

    asked: int
    found: list[RunId]
    horizon: tuple[int, int] | None
    """The place in line up to which everything was seen; None: all of it was."""


@dataclass(slots=True)
class Turns:
    """A conversation under its lock: its oldest queued runs, and how many are queued in the database."""

    heads: list[RunId]
    queued: int


class Changes(NamedTuple):
    """Runs that are new, that moved, and that only made progress; the latter two with the revision they had."""

    new: list[Run]
    moved: list[tuple[Run, int]]
    stayed: list[tuple[Run, int]]


class RunSheet:
    """RunRows over what was loaded; what was not raises NotLoaded."""

    def __init__(self, undo: Undo) -> None:
        self._undo = undo
        self.now: dict[RunId, Run] = {}
        self.stored: dict[RunId, Run] = {}
        """What the database holds of the runs in `now`; a run that is not here is new."""
        self.absent: set[RunId] = set()
        self.submitting: RunId | None = None
        """The id of the submission that is being applied, while it is taken to be new: see JournalSheet."""
        self.guessed = False
        self.busy: set[RunId] = set()
        """Runs that another transaction was writing when they were looked for."""
        self.complete: set[RunId] = set()
        """Loaded with their input, journal and inbox."""
        self.scans: dict[tuple[DeploymentId, str], Scan] = {}
        self.turns: dict[tuple[str, str], Turns] = {}
        self.loaded: set[OpenChildrenNeed | LeasedNeed | UnclaimedNeed] = set()
        self.counts: dict[RunId, int] = {}
        """How many keys of a run have a child, as far as it was asked for."""
        self.changed: dict[RunId, None] = {}
        self.before: dict[RunId, RunState | None] = {}
        """The states in which the transaction found what it has flushed so far; None for what was new."""
        self._serials: dict[RunId, int] = {}
        self._revisions: dict[RunId, int] = {}
        self._members: defaultdict[tuple[str, str], set[RunId]] = defaultdict(set)

    def know(self, run: Run, serial: int, revision: int) -> None:
        """A row as it was read under its lock. What stands here already is newer."""
        if run.id in self.now:
            return
        self.now[run.id] = self.stored[run.id] = run
        self._serials[run.id] = serial
        self._revisions[run.id] = revision
        if run.conversation is not None:
            self._members[run.tenant, run.conversation].add(run.id)

    # --- one run ----------------------------------------------------------------------------------------------

    def run(self, run_id: RunId) -> Run | None:
        known = self.now.get(run_id)
        if known is not None:
            return known
        if run_id in self.absent:
            return None
        if run_id == self.submitting:
            self.guessed = True
            return None
        raise NotLoaded(RunNeed(run_id))

    def whole(self, run: Run) -> Run:
        if run.id in self.stored and run.id not in self.complete:
            raise NotLoaded(HistoryNeed(run.id))
        return replace(run, input=self.now[run.id].input)

    def add(self, run: Run) -> None:
        self._undo.set(self.now, run.id, run)
        self.changed[run.id] = None
        self._serials[run.id] = NEW + len(self._serials)
        self._count_child(run)
        if run.conversation is not None:
            self._members[run.tenant, run.conversation].add(run.id)

    def _count_child(self, run: Run) -> None:
        """A child that its parent has started has a key of its own; of any other the database is asked again."""
        if run.parent is None or run.parent not in self.counts:
            return
        if run.parent_key is not None and run.id == child_id(run.parent, run.parent_key):
            self._undo.set(self.counts, run.parent, self.counts[run.parent] + 1)
        else:
            del self.counts[run.parent]

    def put(self, run: Run) -> None:
        self._undo.set(self.now, run.id, run)
        self.changed[run.id] = None

    # --- what may be claimed ----------------------------------------------------------------------------------

    def free(self, wanted: Sequence[RunId]) -> list[Run]:
        unknown = [it for it in wanted if not (it in self.now or it in self.absent or it in self.busy)]
        if unknown:
            raise NotLoaded(FreeNeed(tuple(unknown)))
        return [self.now[run_id] for run_id in wanted if run_id in self.now]

    def due(
        self, deployment: DeploymentId, pool: str, now: datetime, limit: int, paused: Sequence[str]
    ) -> list[Run]:
        scan = self.scans.get((deployment, pool))
        if scan is None:
            raise NotLoaded(DueNeed(deployment, pool, limit))
        due = sorted(
            (self._place_in_line(run), run_id)
            for run_id in dict.fromkeys((*scan.found, *self.before, *self.changed))
            if (run := self.now.get(run_id)) is not None
            and run.deployment == deployment
            and run.pool == pool
            and is_due(run, now)
            and not holds_back(paused, run)
        )
        seen = [run_id for place, run_id in due if scan.horizon is None or place <= scan.horizon]
        if len(seen) < limit and scan.horizon is not None:
            raise NotLoaded(DueNeed(deployment, pool, 2 * scan.asked + limit))
        return [self.now[run_id] for run_id in seen[:limit]]

    def note_scan(self, deployment: DeploymentId, pool: str, asked: int, found: Sequence[RunId]) -> None:
        """What the database gave, of each of the three kinds the first `asked` in line."""
        kinds: defaultdict[RunState, list[tuple[int, int]]] = defaultdict(list)
        for run_id in found:
            kinds[self.stored[run_id].state].append(self._place_in_line(self.stored[run_id]))
        cut = [max(places) for places in kinds.values() if len(places) >= asked]
        self.scans[deployment, pool] = Scan(asked, list(found), min(cut, default=None))

    def _place_in_line(self, run: Run) -> tuple[int, int]:
        return -run.priority, self._serials[run.id]

    # --- searches ---------------------------------------------------------------------------------------------

    def leased(self, worker: WorkerId) -> list[Run]:
        self._need(LeasedNeed(worker))
        return self._oldest_first(run for run in self.now.values() if run.lease_owner == worker)

    def unclaimed(self, deployment: DeploymentId) -> list[Run]:
        self._need(UnclaimedNeed(deployment))
        waiting = {RunState.READY, RunState.QUEUED}
        return self._oldest_first(
            run
            for run in self.now.values()
            if run.deployment == deployment and run.epoch == 0 and run.state in waiting
        )

    def children(self, parent: RunId) -> int:
        count = self.counts.get(parent)
        if count is None:
            raise NotLoaded(ChildrenNeed(parent))
        return count

    def open_children(self, parent: RunId) -> list[Run]:
        self._need(OpenChildrenNeed(parent))
        return self._oldest_first(run for run in self.now.values() if run.parent == parent and not run.ended)

    def active(self, tenant: str, conversation: str) -> Run | None:
        self._turns(tenant, conversation)
        standing = self._oldest_first(
            run
            for run in self._conversation(tenant, conversation)
            if not run.ended and run.state is not RunState.QUEUED
        )
        return standing[0] if standing else None

    def queued(self, tenant: str, conversation: str) -> int:
        return self._turns(tenant, conversation).queued + self._queued_here(tenant, conversation)

    def next_queued(self, tenant: str, conversation: str) -> Run | None:
        turns = self._turns(tenant, conversation)
        for run_id in turns.heads:
            if self.now[run_id].state is RunState.QUEUED:
                return self.now[run_id]
        if turns.queued > len(turns.heads):
            raise NotLoaded(ConversationNeed(tenant, conversation))
        queued = self._oldest_first(
            run for run in self._conversation(tenant, conversation) if run.state is RunState.QUEUED
        )
        return queued[0] if queued else None

    # --- for the flush ----------------------------------------------------------------------------------------

    def take_changes(self) -> Changes:
        """What was changed since the last flush; from now on it counts as stored."""
        for (tenant, conversation), turns in self.turns.items():
            turns.queued += self._queued_here(tenant, conversation)
        changes = Changes([], [], [])
        for run_id in self.changed:
            run = self.now.get(run_id)
            if run is None:  # it was added by a write that was taken back
                continue
            before = self.stored.get(run_id)
            self.before.setdefault(run_id, None if before is None else before.state)
            if before is None:
                changes.new.append(run)
                self.complete.add(run_id)
                self._revisions[run_id] = 0
            else:
                revision = self._revisions[run_id]
                (changes.moved if has_moved(before, run) else changes.stayed).append((run, revision))
                self._revisions[run_id] = revision + 1
            self.stored[run_id] = run
        self.changed.clear()
        # In the order in which every transaction locks rows. New ones are numbered in the order in which they came.
        changes.moved.sort(key=_id)
        changes.stayed.sort(key=_id)
        return changes

    def remembered(self) -> Iterable[RememberedRun]:
        """The rows as they stand after the last flush; without those whose serial the database has just given."""
        for run_id, run in self.stored.items():
            if self._serials[run_id] < NEW:
                yield RememberedRun(run, self._serials[run_id], self._revisions[run_id])

    def came_into(self, run_id: RunId) -> Run | None:
        """The run, if this transaction brought it into another state than it was in, or made it."""
        run, stored = self.now.get(run_id), self.stored.get(run_id)
        before = self.before.get(run_id, None if stored is None else stored.state)
        return run if run is not None and run.state is not before else None

    # --- inside -----------------------------------------------------------------------------------------------

    def _need(self, need: OpenChildrenNeed | LeasedNeed | UnclaimedNeed) -> None:
        if need not in self.loaded:
            raise NotLoaded(need)

    def _turns(self, tenant: str, conversation: str) -> Turns:
        turns = self.turns.get((tenant, conversation))
        if turns is None:
            raise NotLoaded(ConversationNeed(tenant, conversation))
        return turns

    def _conversation(self, tenant: str, conversation: str) -> Iterable[Run]:
        members = self._members.get((tenant, conversation), ())
        return [self.now[run_id] for run_id in members if run_id in self.now]

    def _queued_here(self, tenant: str, conversation: str) -> int:
        """By how much this transaction has changed the number of the queued, so far as it is not flushed."""
        change = 0
        for run in self._conversation(tenant, conversation):
            before = self.stored.get(run.id)
            change += run.state is RunState.QUEUED
            change -= before is not None and before.state is RunState.QUEUED
        return change

    def _oldest_first(self, runs: Iterable[Run]) -> list[Run]:
        return sorted(runs, key=lambda run: self._serials[run.id])


def _id(change: tuple[Run, int]) -> RunId:
    return change[0].id


def has_moved(before: Run, after: Run) -> bool:
    """Whether a column of PLACE changed. Spelled out: it is asked of every run of every batch."""
    return not (
        before.state is after.state
        and before.deployment is after.deployment
        and before.wake_at is after.wake_at
        and before.lease_owner is after.lease_owner
        and before.lease_until is after.lease_until
        and before.epoch == after.epoch
        and before.cancel_requested is after.cancel_requested
        and before.expired is after.expired
        and before.waits is after.waits
        and before.result is after.result
        and before.failure is after.failure
        and before.successor is after.successor
    )
