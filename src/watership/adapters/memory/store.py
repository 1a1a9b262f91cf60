"""The memory store: a whole store in dictionaries, with the same outcomes as a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from watership.adapters.ledger import commit, flags, intake
from watership.adapters.ledger.cohort import cohorts_of, too_old
from watership.adapters.ledger.cursor import parse_cursor, spell_cursor
from watership.adapters.ledger.decide import is_late
from watership.adapters.memory.flags import MemoryFlags
from watership.adapters.memory.rows import MemoryRows
from watership.durable.clock import Clock, SystemClock
from watership.durable.counters import Count
from watership.durable.events import Entry
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import (
    COHORT_RUNS,
    HEARD_SECONDS,
    Backlog,
    Cohort,
    RunFilter,
    RunPage,
    WorkerPresence,
)
from watership.durable.run import Run, Signal
from watership.durable.states import RunState
from watership.durable.writes import Write, Written
from watership.errors import Fenced
from watership.fleet.deployment import Deployment, DeploymentState
from watership.fleet.flags import READ_ONLY, Flag, FlagChange
from watership.fleet.intake import IntakeState, Weights, holds_back


class MemoryStore:
    """Store, Runs, Intake, Flags and Deployments. Nothing awaits inside, so that a write is one step of the loop."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._rows = MemoryRows()
        self._flags = MemoryFlags()
        self._deployments: dict[DeploymentId, Deployment] = {}

    async def write(self, writes: Sequence[Write]) -> Written:
        try:
            written = commit(self._rows, writes, self._clock.now())
        except BaseException:
            self._rows.give_up()
            raise
        self._rows.keep()
        return written

    async def close(self) -> None:
        """There is nothing to close; it is here so that stores can be exchanged."""

    # --- queries ----------------------------------------------------------------------------------

    async def get(self, run_id: RunId) -> Run | None:
        return self._rows.run(run_id)

    async def list(self, which: RunFilter, *, limit: int = 50, after: str | None = None) -> RunPage:
        before = None if after is None else parse_cursor(after)
        serials = self._rows.serials
        matching = [run for run in reversed(self._rows.runs.values()) if matches(run, which)]
        older = [run for run in matching if before is None or serials[run.id] < before]
        page = tuple(older[:limit])
        more = spell_cursor(serials[page[-1].id]) if len(older) > limit and page else None
        return RunPage(runs=page, total_count=len(matching), next=more)

    async def journal(self, run_id: RunId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        stored = self._rows.journals.get(run_id, [])[after : after + limit]
        return [entry.entry(run_id) for entry in stored]

    async def inbox(self, run_id: RunId, *, after: int = 0) -> Sequence[Signal]:
        return self._rows.signals(run_id)[after:]

    async def census(self) -> dict[tuple[DeploymentId, RunState], int]:
        return dict(Counter((run.deployment, run.state) for run in self._rows.runs.values()))

    async def cohorts(
        self, deployments: Sequence[DeploymentId], *, after: datetime, until: datetime, some: int = 0
    ) -> dict[DeploymentId, Cohort]:
        newest = list(self._rows.runs.values())
        if len(newest) > COHORT_RUNS and newest[-COHORT_RUNS - 1].created_at > after:
            raise too_old()
        rows = (
            (str(run.deployment), str(run.id), run.state.value)
            for run in newest[-COHORT_RUNS:]
            if after < run.created_at <= until and run.deployment in deployments
        )
        return cohorts_of(deployments, rows, some)

    async def workers(self) -> Sequence[WorkerPresence]:
        return [
            WorkerPresence(
                id=worker,
                deployment=last.deployment,
                pool=last.pool,
                slots=last.slots,
                seen_at=seen_at,
                leased=len(self._rows.leased(worker)),
            )
            for worker, (last, seen_at) in sorted(self._rows.workers.items())
        ]

    async def counts(self, names: Sequence[str]) -> Sequence[Count]:
        known = self._rows.counts
        return [known[name] for name in sorted(set(names)) if name in known]

    async def late(self, *, limit: int) -> Sequence[RunId]:
        now = self._clock.now()
        late = [run for run in self._rows.live.values() if is_late(run, now)]
        return [run.id for run in sorted(late, key=lambda run: run.deadline or now)[:limit]]

    async def next_wake(self, deployment: DeploymentId, pool: str) -> datetime | None:
        here = [run for run in self._rows.live.values() if run.deployment == deployment and run.pool == pool]
        timers = [run.wake_at for run in here if run.state is RunState.WAITING and run.wake_at is not None]
        leases = [run.lease_until for run in here if run.lease_until is not None]
        return min(timers + leases, default=None)

    async def backlog(self, deployments: Sequence[DeploymentId], *, limit: int) -> Backlog:
        now = self._clock.now()
        paused = self._rows.intake().paused
        there = (
            run
            for run in self._rows.live.values()
            if run.deployment in deployments and not holds_back(paused, run)
        )
        ready = list(islice((run.updated_at for run in there if run.state is RunState.READY), limit))
        heard = now - timedelta(seconds=HEARD_SECONDS)
        workers = [
            last for last, at in self._rows.workers.values() if last.deployment in deployments and at >= heard
        ]
        return Backlog(
            ready=len(ready),
            oldest=min(ready, default=None),
            made=len(self._rows.serials),
            workers=len(workers),
            at=now,
        )

    async def ping(self) -> None:
        """It always answers."""

    # --- the intake -------------------------------------------------------------------------------

    async def read(self) -> IntakeState:
        state = intake.current(self._rows, self._clock.now())
        self._rows.keep()
        return state

    async def now(self) -> datetime:
        return self._clock.now()

    async def set_weights(
        self,
        weights: Weights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: Weights | None = None,
    ) -> IntakeState:
        outcome = intake.set_weights(
            self._rows,
            self._clock.now(),
            weights,
            epoch=epoch,
            hold_seconds=hold_seconds,
            last_safe=last_safe,
        )
        self._rows.keep()
        if isinstance(outcome, Fenced):
            raise outcome
        return outcome

    async def set_readonly(self, readonly: bool, *, by: str = "watership", epoch: int | None = None) -> None:
        intake.require(self._rows, self._clock.now(), epoch)
        flags.set_readonly(self._flags, self._rows, self._clock.now(), readonly, by)
        self._rows.keep()

    # --- flags ------------------------------------------------------------------------------------

    async def flags(self) -> Sequence[Flag]:
        readonly = flags.current(self._flags, self._rows, READ_ONLY)
        assert readonly is not None, "the intake is always there"
        return sorted([readonly, *self._flags.by_name.values()], key=lambda flag: flag.name)

    async def set_flag(self, flag: Flag, *, expected: int | None = None) -> Flag:
        done = flags.set_flag(self._flags, self._rows, self._clock.now(), flag, expected)
        self._rows.keep()
        return done

    async def flag_changes(self, name: str | None = None, *, limit: int = 50) -> Sequence[FlagChange]:
        return self._flags.changes(name, limit)

    # --- deployments ------------------------------------------------------------------------------

    async def put(self, deployment: Deployment, *, epoch: int | None = None) -> None:
        intake.require(self._rows, self._clock.now(), epoch)
        self._rows.keep()
        self._deployments[deployment.id] = deployment

    async def all(self) -> Sequence[Deployment]:
        standing = (it for it in self._deployments.values() if it.state is not DeploymentState.RETIRED)
        return sorted(standing, key=lambda it: (it.created_at, it.id))


def matches(run: Run, which: RunFilter) -> bool:
    return (
        (which.tenant is None or run.tenant == which.tenant)
        and (which.states is None or run.state in which.states)
        and (which.program is None or run.program == which.program)
        and (which.deployment is None or run.deployment == which.deployment)
        and (which.conversation is None or run.conversation == which.conversation)
        and (which.parent is None or run.parent == which.parent)
    )
