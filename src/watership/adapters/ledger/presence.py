"""Workers come, prolong their leases and are buried; runs can change their home while nobody holds them."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from watership.adapters.ledger.bounds import PRESENCE_KEPT
from watership.adapters.ledger.change import Transaction, unknown
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.durable.writes import Bury, Done, Duplicate, HandOver, Outcome, Refused, Rehome, Renew, Renewed


def renew(tx: Transaction, write: Renew) -> Renewed:
    """Prolong what is still held, and tell what was lost. A lease that ran out unclaimed is still held."""
    until = tx.now + timedelta(seconds=write.lease_seconds)
    lost: set[RunId] = set()
    cancelled: set[RunId] = set()
    inboxes: dict[RunId, int] = {}
    for run_id, epoch in write.runs.items():
        run = tx.rows.run(run_id)
        if run is None or run.epoch != epoch:
            lost.add(run_id)
            continue
        if run.state is not RunState.RUNNING:  # its holder has moved it on, in a write that this one crossed
            continue
        tx.rows.put(replace(run, lease_owner=write.worker, lease_until=until))
        inboxes[run_id] = run.inbox
        if run.cancel_requested:
            cancelled.add(run_id)
    tx.rows.put_worker(write, tx.now)
    tx.rows.forget_workers(tx.now - PRESENCE_KEPT)
    return Renewed(lost=frozenset(lost), inboxes=inboxes, cancelled=frozenset(cancelled))


def bury(tx: Transaction, write: Bury) -> Done | Refused:
    """Let the worker's leases run out now, so that others may claim what it held."""
    if not (write.resigned or tx.rows.gone(write.worker)):
        return Refused(code="alive", reason=f"Worker {write.worker} may live: it has its session lock.")
    held = tx.rows.leased(write.worker)
    for run in held:
        tx.rows.put(replace(run, lease_until=tx.now))
        tx.wake(run)
    tx.rows.drop_worker(write.worker)
    return Done(count=len(held))


def rehome(tx: Transaction, write: Rehome) -> Done:
    moved = tx.rows.unclaimed(write.source)
    for run in moved:
        run = replace(run, deployment=write.target, updated_at=tx.now)  # noqa: PLW2901  # the same run, moved
        tx.rows.put(run)
        if run.state is RunState.READY:
            tx.wake(run)
    return Done(count=len(moved))


def hand_over(tx: Transaction, write: HandOver) -> Outcome:
    """Its state stays, and with it what it waits for: only whose worker goes on with it changes."""
    run = tx.rows.run(write.run_id)
    if run is None:
        return unknown(write.run_id)
    if run.deployment == write.target:
        return Duplicate()
    if run.ended:
        return Refused(code="illegal_move", reason=f"Run {run.id} is {run.state}: it has ended.")
    if run.state is RunState.RUNNING and (run.lease_until is None or run.lease_until > tx.now):
        return Refused(code="held", reason=f"Worker {run.lease_owner} holds run {run.id}.")
    if (run.seq, run.inbox) != (write.seq, write.inbox):
        return Refused(code="moved", reason=f"Run {run.id} has gone on since it was looked at.")
    run = replace(run, deployment=write.target, epoch=run.epoch + 1, updated_at=tx.now)
    tx.rows.put(run)
    if run.state in (RunState.READY, RunState.RUNNING, RunState.WAITING):
        # A worker that sleeps until its next timer has to learn of this one's.
        tx.wake(run)
    return Done()
