"""A signal enters a run's inbox once, under the next number, and wakes the run if it waits."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from watership.adapters.ledger.bounds import MAX_SIGNALS
from watership.adapters.ledger.change import Transaction, to_ready, unknown
from watership.durable.ids import SignalId
from watership.durable.run import Run, Signal
from watership.durable.states import RunState
from watership.durable.writes import Deliver, Done, Duplicate, Outcome, Refused


def deliver(tx: Transaction, write: Deliver) -> Outcome:
    """A signal from outside: a duplicate is recognised even when the run has ended since."""
    run = tx.rows.run(write.run_id)
    if run is None:
        return unknown(write.run_id)
    if tx.rows.has_signal(run.id, write.signal_id):
        return Duplicate()
    if run.ended:
        return Refused(code="illegal_move", reason=f"Run {run.id} is {run.state}: it takes no signals.")
    if run.inbox >= MAX_SIGNALS:
        return Refused(code="limit", reason=f"The inbox of run {run.id} holds {run.inbox:,} signals.")
    put_signal(tx, run, write.signal_id, write.name, write.value)
    return Done()


def put_signal(tx: Transaction, run: Run, signal_id: SignalId, name: str, value: msgspec.Raw) -> None:
    """The signal, and its effect: WAITING becomes READY, a RUNNING run's owner is told, the rest stays."""
    number = run.inbox + 1
    tx.rows.add_signal(Signal(run_id=run.id, number=number, id=signal_id, name=name, value=value, at=tx.now))
    run = replace(run, inbox=number, updated_at=tx.now)
    if run.state is RunState.WAITING:
        run = to_ready(tx, run)
    elif run.state is RunState.RUNNING:
        tx.touched.add(run.id)
    tx.rows.put(run)
