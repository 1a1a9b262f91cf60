"""A change to a run: the move its state makes, the entries its journal gets, who hears of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from watership.adapters.ledger.rows import Rows
from watership.durable.events import AnyEvent, Entry
from watership.durable.ids import DeploymentId, RunId
from watership.durable.run import Run
from watership.durable.states import RunState, move
from watership.durable.writes import Refused


@dataclass(slots=True)
class Transaction:
    """The rows as they are now, the time, and whom to wake after the commit."""

    rows: Rows
    now: datetime
    woken: set[tuple[DeploymentId, str]] = field(default_factory=set)
    touched: set[RunId] = field(default_factory=set)
    roused: dict[RunId, None] = field(default_factory=dict)
    """The runs that made the pools of `woken` worth waking, in that order."""

    def wake(self, run: Run) -> None:
        self.woken.add((run.deployment, run.pool))
        self.roused[run.id] = None


def journal(tx: Transaction, run: Run, *events: AnyEvent) -> Run:
    """Append `events` under the run's epoch. The caller puts the run that comes back."""
    seq = run.seq
    for event in events:
        seq += 1
        tx.rows.append(Entry(run_id=run.id, seq=seq, epoch=run.epoch, at=tx.now, event=event))
    return replace(run, seq=seq, updated_at=tx.now)


def to_ready(tx: Transaction, run: Run) -> Run:
    """The run as one that any worker of its deployment may claim, with its pool woken. The caller puts it."""
    tx.wake(run)
    state = RunState.READY if run.state is RunState.READY else move(run.state, RunState.READY)
    return replace(
        run, state=state, wake_at=None, waits=(), lease_owner=None, lease_until=None, updated_at=tx.now
    )


def unknown(run_id: RunId) -> Refused:
    return Refused(code="not_found", reason=f"There is no run {run_id}.")
