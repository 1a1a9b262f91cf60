"""The oracle sees what happens outside of the runs, and holds the promises against it.

It lives beside the simulated processes and is never killed: a witness between them and the store notes what is
committed, step bodies tell it when they are entered and when they act.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from watership.adapters.memory import MemoryStore
from watership.durable.events import (
    AnyEvent,
    Entry,
    Finished,
    SignalTaken,
    StepAnswered,
    StepDone,
    StepFailed,
    StepRetried,
    StepStarted,
    TimerFired,
)
from watership.durable.ids import Key, RunId, SignalId
from watership.durable.ports import Store
from watership.durable.writes import Append, Done, Outcome, Write, Written
from watership.testing.processes import PROCESS


class Entered(msgspec.Struct, frozen=True):
    """A step's body was entered. `idempotency_key` is what the outside would see."""

    idempotency_key: str
    process: str
    at: datetime


class Oracle:
    """Effects, entries and violations of one world."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.entered: list[Entered] = []
        self.effects: dict[str, list[object]] = {}
        """By idempotency key: what each effect gave."""
        self.violations: list[str] = []
        self.committed: set[str] = set()
        """The idempotency keys of steps whose result is committed."""
        self._now = now
        self._owners: dict[tuple[RunId, int], str] = {}

    def enter(self, idempotency_key: str, process: str) -> None:
        """A body begins. P2: not one whose result is committed."""
        self.entered.append(Entered(idempotency_key, process, self._now()))
        if idempotency_key in self.committed:
            self.violations.append(f"P2: {idempotency_key} was entered by {process} after its commit")

    def act(self, idempotency_key: str, value: object) -> None:
        """The effect itself."""
        self.effects.setdefault(idempotency_key, []).append(value)

    def saw(self, write: Write, outcome: Outcome, epoch_before: int | None, process: str) -> None:
        """A write was committed. P4: not one of a stale epoch, and all those of one epoch by one process."""
        if not (isinstance(write, Append) and isinstance(outcome, Done)):
            return
        if write.epoch != epoch_before:
            self.violations.append(
                f"P4: run {write.run_id} accepted a write of epoch {write.epoch} at epoch {epoch_before}"
            )
        owner = self._owners.setdefault((write.run_id, write.epoch), process)
        if owner != process:
            self.violations.append(
                f"P4: {owner} and {process} both own run {write.run_id} at epoch {write.epoch}"
            )
        for event in write.events:
            if isinstance(event, StepDone | StepFailed):
                self.committed.add(f"{write.run_id}:{event.key}")

    def judge(self, run_id: RunId, journal: Sequence[Entry]) -> None:
        """Hold a run's finished journal against what was seen."""
        self.violations += [f"journal of {run_id}: {flaw}" for flaw in flaws(journal)]
        entries = Counter(entered.idempotency_key for entered in self.entered)
        starts = Counter(e.event.key for e in journal if isinstance(e.event, StepStarted))
        allowed = Counter(dict.fromkeys(starts, 1))
        for entry in journal:
            if isinstance(entry.event, StepRetried) or _says_retry(entry.event):
                allowed[entry.event.key] += 1
        for key, started in starts.items():
            # P3: each entry into an unsafe step has its start record, and each further start its decision.
            entered = entries[f"{run_id}:{key}"]
            if entered > started or started > allowed[key]:
                self.violations.append(
                    f"P3: {key} was entered {entered} times on {started} starts, {allowed[key]} were decided"
                )


def _says_retry(event: AnyEvent) -> bool:
    return isinstance(event, StepAnswered) and event.decision == "retry"


def flaws(journal: Sequence[Entry]) -> list[str]:
    """What a sound journal never shows: gaps, epochs that go back, anything that happened twice."""
    found: list[str] = []
    if [entry.seq for entry in journal] != list(range(1, len(journal) + 1)):
        found.append(f"its numbers are {[entry.seq for entry in journal]}")
    epochs = [entry.epoch for entry in journal]
    if epochs != sorted(epochs):
        found.append(f"its epochs go back: {epochs}")
    results: Counter[Key] = Counter()
    fired: Counter[Key] = Counter()
    taken: Counter[SignalId] = Counter()
    for entry in journal:
        match entry.event:
            case StepDone() | StepFailed():
                results[entry.event.key] += 1
            case TimerFired():
                fired[entry.event.key] += 1
            case SignalTaken(signal_id=signal_id):
                taken[signal_id] += 1
            case _:
                pass
    for what, counted in (("result", results), ("timer", fired), ("signal", taken)):
        found += [f"{what} of {name} stands {times} times" for name, times in counted.items() if times > 1]
    ends = [entry.seq for entry in journal if isinstance(entry.event, Finished)]
    if ends and ends != [len(journal)]:
        found.append(f"it ends at {ends}")
    return found


class WitnessedStore:
    """A Store that tells the oracle what it committed. Around the real store and whatever ails it."""

    def __init__(self, store: Store, queries: MemoryStore, oracle: Oracle) -> None:
        self._store = store
        self._queries = queries
        self._oracle = oracle

    async def write(self, writes: Sequence[Write]) -> Written:
        before = [await self._epoch(write) for write in writes]
        written = await self._store.write(writes)
        process = PROCESS.get()
        for write, outcome, epoch in zip(writes, written.outcomes, before, strict=True):
            self._oracle.saw(write, outcome, epoch, process.name if process else "outside")
        return written

    async def _epoch(self, write: Write) -> int | None:
        run = await self._queries.get(write.run_id) if isinstance(write, Append) else None
        return None if run is None else run.epoch
