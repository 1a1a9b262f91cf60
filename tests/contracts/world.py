"""A store with a clock that stands still until it is told to go on, and short words for what is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from watership.durable.counters import Charge
from watership.durable.events import AnyEvent, StepDone
from watership.durable.ids import DeploymentId, EntryId, Key, RunId, SignalId, WorkerId, seeded_ids
from watership.durable.ports import Runs, Store
from watership.durable.run import Run, Signal
from watership.durable.states import RunState
from watership.durable.writes import (
    Append,
    Claim,
    Claimed,
    ClaimedRun,
    Deliver,
    Finish,
    Outcome,
    Park,
    Submit,
    Then,
    Write,
    Written,
)
from watership.fleet.deployment import Deployment
from watership.fleet.flags import Flags
from watership.fleet.intake import Intake

GREEN = DeploymentId("green-1")
BLUE = DeploymentId("blue-2")
WORKER = WorkerId("worker-1")
OTHER = WorkerId("worker-2")
POOL = "default"
LEASE = 30.0
NULL = msgspec.Raw(b"null")


class ManualClock:
    """A wall clock that moves only when told."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.go_on(seconds)

    def go_on(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class AnyStore(Store, Runs, Intake, Flags, Protocol):
    """What every store offers; `Deployments` is left to the store's own words `put` and `all`."""

    async def put(self, deployment: Deployment, *, epoch: int | None = None) -> None: ...

    async def all(self) -> Sequence[Deployment]: ...

    async def close(self) -> None: ...


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def done(key: str = "step/0", value: object = 1) -> StepDone:
    return StepDone(key=Key(key), name="step", identity="i", value=raw(value))


def submission(run_id: str, **facts: Any) -> Submit:
    return Submit(run_id=RunId(run_id), program="p", input=raw({"for": run_id}), **facts)


class World:
    """A store of any kind, and the time it lives in."""

    def __init__(
        self, store: AnyStore, clock: ManualClock, keys: Callable[[], Awaitable[int]] | None = None
    ) -> None:
        """`keys` counts the rows of idempotency keys, where the store keeps them."""
        self.store = store
        self.clock = clock
        self._keys = keys
        self._entry = seeded_ids(1)

    def entry(self) -> EntryId:
        return EntryId(self._entry())

    async def keys(self) -> int:
        """How many idempotency keys the store holds, however old."""
        assert self._keys is not None, "this world was not told how to count them"
        return await self._keys()

    async def write(self, *writes: Write) -> Written:
        return await self.store.write(writes)

    async def outcome(self, write: Write) -> Outcome:
        """The only outcome of one write."""
        (outcome,) = (await self.store.write([write])).outcomes
        return outcome

    async def submit(self, run_id: str, **facts: Any) -> Outcome:
        facts.setdefault("deployment", GREEN)
        return await self.outcome(submission(run_id, **facts))

    def claiming(
        self, *, limit: int = 10, worker: WorkerId = WORKER, poison_limit: int = 5, **facts: Any
    ) -> Claim:
        where: dict[str, Any] = {"deployment": GREEN, "pool": POOL, "lease_seconds": LEASE} | facts
        return Claim(worker=worker, limit=limit, poison_limit=poison_limit, **where)

    async def claim(self, **facts: Any) -> tuple[ClaimedRun, ...]:
        outcome = await self.outcome(self.claiming(**facts))
        assert isinstance(outcome, Claimed)
        return outcome.runs

    async def running(self, run_id: str, **facts: Any) -> Run:
        """A run that was submitted and claimed."""
        await self.submit(run_id, **facts)
        await self.claim(limit=1, deployment=facts.get("deployment", GREEN), pool=facts.get("pool", POOL))
        run = await self.run(run_id)
        assert run.state is RunState.RUNNING
        return run

    def appending(
        self,
        run: Run,
        *events: AnyEvent,
        then: Then | None = None,
        children: Sequence[Submit] = (),
        charges: Sequence[Charge] = (),
        dropped: Sequence[str] = (),
        entry: EntryId | None = None,
    ) -> Append:
        return Append(
            entry_id=entry or self.entry(),
            run_id=run.id,
            epoch=run.epoch,
            events=events,
            children=tuple(children),
            charges=tuple(charges),
            dropped=tuple(dropped),
            then=then,
        )

    async def append(self, run: Run, *events: AnyEvent, **facts: Any) -> Outcome:
        return await self.outcome(self.appending(run, *events, **facts))

    async def finish(self, run: Run, state: RunState = RunState.SUCCEEDED, **facts: Any) -> Written:
        return await self.write(self.appending(run, then=Finish(state=state, **facts)))

    async def park(self, run: Run, *, wake_in: float | None = None, seen: int = 0, **facts: Any) -> Outcome:
        wake_at = None if wake_in is None else self.clock.now() + timedelta(seconds=wake_in)
        return await self.append(run, then=Park(wake_at=wake_at, seen=seen, **facts))

    def delivery(self, run_id: str, signal_id: str, value: object = None) -> Deliver:
        return Deliver(signal_id=SignalId(signal_id), run_id=RunId(run_id), name="news", value=raw(value))

    async def run(self, run_id: str) -> Run:
        run = await self.store.get(RunId(run_id))
        assert run is not None
        return run

    async def state(self, run_id: str) -> RunState:
        return (await self.run(run_id)).state

    async def events(self, run_id: str) -> list[AnyEvent]:
        return [entry.event for entry in await self.store.journal(RunId(run_id))]

    async def inbox(self, run_id: str) -> Sequence[Signal]:
        return await self.store.inbox(RunId(run_id))
