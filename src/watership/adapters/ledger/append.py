"""An append extends a run's journal under its epoch, starts its children, and then perhaps moves it on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from msgspec.structs import replace

from watership.adapters.ledger.bounds import MAX_CHILDREN, MAX_DEPTH, MAX_ENTRIES
from watership.adapters.ledger.change import Transaction, journal, to_ready, unknown
from watership.adapters.ledger.counters import charged
from watership.adapters.ledger.ending import ask_to_end, end
from watership.adapters.ledger.submit import earlier, nowhere, place_run, start, start_child, too_deep
from watership.durable.ids import DeploymentId
from watership.durable.run import Run
from watership.durable.states import TERMINAL, RunState, move
from watership.durable.writes import (
    Append,
    Done,
    Duplicate,
    Finish,
    Outcome,
    Park,
    Refused,
    Stop,
    Submit,
    WriteFenced,
    Yield,
)


def append(tx: Transaction, write: Append) -> Outcome:
    """Fenced by the epoch; a write that is known already is a duplicate, whatever became of the run since."""
    run = tx.rows.run(write.run_id)
    if run is None:
        return unknown(write.run_id)
    if tx.rows.remembers(run.id, write.entry_id):
        return Duplicate()
    if run.epoch != write.epoch or run.state is not RunState.RUNNING:
        return WriteFenced(current=run.epoch)
    counts, over_cap = charged(tx, write.charges)
    refused = _refusal(tx, run, write, over_cap)
    if refused is not None:
        return refused
    tx.rows.remember(run.id, write.entry_id)
    for count in counts:
        tx.rows.put_count(count)
    if write.events:
        run = replace(journal(tx, run, *write.events), claims=0)
    for child in write.children:
        start_child(tx, run, child)
    _move_on(tx, run, write)
    if write.dropped:  # last: a child that never began ends at once, and tells the run as it stands then
        _end_below(tx, run, write.dropped)
    return Done()


def _end_below(tx: Transaction, run: Run, dropped: Sequence[str]) -> None:
    """Ask the children that these branches started to end; those of later generations are asked by them."""
    below = tuple(f"{path}/" for path in dropped)
    for child in tx.rows.open_children(run.id):
        if child.parent_key is not None and child.parent_key.startswith(below):
            ask_to_end(tx, child)


def _refusal(tx: Transaction, run: Run, write: Append, over_cap: Refused | None) -> Refused | None:
    """Why none of the append may be written. The end itself always fits into the journal."""
    if write.events and run.seq + len(write.events) > MAX_ENTRIES:
        return Refused(
            code="limit", reason=f"The journal of run {run.id} would exceed {MAX_ENTRIES:,} entries."
        )
    if write.children:
        if run.depth >= MAX_DEPTH:
            return too_deep()
        if tx.rows.children(run.id) + len(write.children) > MAX_CHILDREN:
            return Refused(
                code="limit", reason=f"Run {run.id} would have more than {MAX_CHILDREN:,} children."
            )
    if over_cap is not None:
        return over_cap
    match write.then:
        case Park(seen=seen) if run.inbox > seen:
            return Refused(code="inbox", reason=f"Signal {run.inbox} came; the writer has seen {seen}.")
        case Park(cancelling=False) if run.cancel_requested:
            return Refused(code="inbox", reason="A cancellation came that the writer has not seen.")
        case Finish(state=state) if state not in TERMINAL:
            return Refused(code="illegal_move", reason=f"A run does not end as {state}.")
        case Finish(successor=Submit() as successor) if _successor_place(tx, run, successor) is None:
            return nowhere()
        case _:
            return None


def _move_on(tx: Transaction, run: Run, write: Append) -> None:
    """What comes after the entries. A run that was given up in order counts as having made progress."""
    match write.then:
        case None:
            tx.rows.put(run)
        case Park() as park:
            tx.rows.put(_parked(tx, run, park))
        case Yield():
            tx.rows.put(replace(to_ready(tx, run), claims=0))
        case Stop(failure=failure):
            tx.rows.put(replace(_released(tx, run, RunState.STOPPED), failure=failure))
        case Finish() as finish:
            _finish(tx, run, finish)
        case _:
            assert_never(write.then)


def _released(tx: Transaction, run: Run, state: RunState) -> Run:
    moved = move(run.state, state)
    return replace(run, state=moved, claims=0, lease_owner=None, lease_until=None, updated_at=tx.now)


def _parked(tx: Transaction, run: Run, park: Park) -> Run:
    run = _released(tx, run, RunState.IN_DOUBT if park.in_doubt else RunState.WAITING)
    run = replace(run, waits=park.waits)
    if park.in_doubt:
        return run
    if park.wake_at is not None and park.wake_at <= tx.now:
        tx.wake(run)
    return replace(run, wake_at=park.wake_at)


def _finish(tx: Transaction, run: Run, finish: Finish) -> None:
    successor = finish.successor
    if successor is not None:
        _carry_on(tx, run, successor)
    end(
        tx,
        run,
        finish.state,
        result=finish.result,
        failure=finish.failure,
        successor=successor.run_id if successor is not None else None,
        learned=finish.learned,
    )


def _carry_on(tx: Transaction, run: Run, successor: Submit) -> None:
    """Start the successor in the run's place: in its conversation, at once, and towards its parent."""
    if tx.rows.run(successor.run_id) is not None:
        return
    deployment = _successor_place(tx, run, successor)
    assert deployment is not None, "refused before"
    start(tx, _in_place_of(run, successor), deployment, RunState.READY)


def _in_place_of(run: Run, successor: Submit) -> Submit:
    return replace(
        successor,
        tenant=run.tenant,
        principal=successor.principal or run.principal,
        conversation=run.conversation,
        parent=run.parent,
        parent_key=run.parent_key,
        depth=run.depth,
        reply_to=run.reply_to,
        caps=successor.caps or run.caps,
        deadline=earlier(successor.deadline, run.deadline),
        origin=None if run.origin is None else run.origin.anew(),
    )


def _successor_place(tx: Transaction, run: Run, successor: Submit) -> DeploymentId | None:
    return place_run(tx, _in_place_of(run, successor))
