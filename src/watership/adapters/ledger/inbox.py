"""A signal enters a run's inbox once, under the next number, and wakes the run if it waits."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from watership.adapters.ledger.bounds import MAX_SIGNALS
from watership.adapters.ledger.change import Transaction, to_ready, unknown
from watership.durable.ids import Key, SignalId
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
    if write.wait is not None and (unasked := _unasked(run, write.wait, tx.now)) is not None:
        return unasked
    put_signal(tx, run, write.signal_id, write.name, write.value)
    return Done()


def _unasked(run: Run, key: Key, now: datetime) -> Refused | None:
    """Why no answer is taken at `key` now; None while it is asked there."""
    waiting = next((one for one in run.waits if one.key == key), None)
    if waiting is None:
        return Refused(code="not_waiting", reason=f"Run {run.id} does not wait at {key} now.")
    if waiting.due is not None and waiting.due <= now:
        return Refused(
            code="too_late", reason=f"What run {run.id} asks at {key} was to be answered by {waiting.due}."
        )
    return None


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
