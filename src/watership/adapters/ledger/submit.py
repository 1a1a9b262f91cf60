"""A submission becomes a run in its place: pinned to a deployment, and in line in its conversation."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from watership.adapters.ledger import intake
from watership.adapters.ledger.bounds import KEYS_KEPT, MAX_DEPTH, MAX_QUEUED, SWEEP
from watership.adapters.ledger.change import Transaction, journal
from watership.adapters.ledger.inbox import deliver
from watership.adapters.ledger.rows import Request
from watership.durable.events import Learned
from watership.durable.ids import DeploymentId, Key, RunId, SignalId
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import INJECTED, Deliver, Outcome, Refused, Submit, Submitted
from watership.fleet.intake import effective, holds_back, place


def submit(tx: Transaction, write: Submit) -> Outcome:
    """A submission from outside. What was submitted before is answered even while nothing new is accepted."""
    earlier = _earlier(tx, write)
    if earlier is not None:
        return earlier
    if intake.current(tx.rows, tx.now).readonly:
        return Refused(code="read_only", reason="Read-only is on: new runs are refused for now.")
    if write.depth > MAX_DEPTH:
        return too_deep()
    if write.deadline is not None and write.deadline <= tx.now:
        return Refused(code="too_late", reason=f"The deadline {write.deadline.isoformat()} has passed.")
    busy = _busy(tx, write)
    outcome: Outcome
    if busy is not None and write.when_busy == "reject":
        outcome = _rejected(write, busy)
    elif busy is not None and _may_take(busy, write):
        outcome = _inject(tx, write, busy)
    else:
        outcome = _enter(tx, write, queued=busy is not None)
    if isinstance(outcome, Submitted) and write.dedup is not None:
        _remember(tx, write)
    return outcome


def place_run(tx: Transaction, write: Submit) -> DeploymentId | None:
    """Where the run goes: where it was sent, or where the weights of this moment put its conversation."""
    if write.deployment is not None:
        return write.deployment
    return place(effective(intake.current(tx.rows, tx.now), tx.now), write.conversation or write.run_id)


def start(tx: Transaction, write: Submit, deployment: DeploymentId, state: RunState) -> Run:
    """Make the run's row and wake its pool if it is READY."""
    run = Run(
        id=write.run_id,
        program=write.program,
        input=write.input,
        state=state,
        deployment=deployment,
        created_at=tx.now,
        updated_at=tx.now,
        tenant=write.tenant,
        principal=write.principal,
        pool=write.pool,
        priority=write.priority,
        conversation=write.conversation,
        parent=write.parent,
        parent_key=write.parent_key,
        depth=write.depth,
        reply_to=write.reply_to,
        caps=write.caps,
        deadline=_deadline(write, tx.now),
        origin=write.origin,
    )
    learned = [Learned(key=Key(""), words=write.learned)] if write.learned else []
    run = journal(tx, run, *learned, *write.events)
    tx.rows.add(run)
    if state is RunState.READY:
        tx.wake(run)
    return run


def start_child(tx: Transaction, parent: Run, child: Submit) -> None:
    """Start a child of `parent`: on its deployment, in its tenant. One that exists is left as it is.

    In its parent's own conversation it is part of the parent's turn; in another one it gets in line.
    """
    if tx.rows.run(child.run_id) is not None:
        return
    child = replace(
        child,
        tenant=parent.tenant,
        principal=child.principal or parent.principal,
        parent=parent.id,
        depth=parent.depth + 1,
        deadline=earlier(child.deadline, parent.deadline),
    )
    waits = child.conversation != parent.conversation and _busy(tx, child) is not None
    state = RunState.QUEUED if waits else RunState.READY
    start(tx, child, child.deployment or parent.deployment, state)


def _deadline(write: Submit, now: datetime) -> datetime | None:
    seconds = write.within_seconds
    return earlier(write.deadline, None if seconds is None else now + timedelta(seconds=seconds))


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two deadlines, where there are any."""
    return min((each for each in (one, other) if each is not None), default=None)


def too_deep() -> Refused:
    return Refused(code="limit", reason=f"Runs start runs at most {MAX_DEPTH} generations deep.")


def nowhere() -> Refused:
    return Refused(code="no_deployment", reason="No deployment takes new runs: every weight is 0.")


def _enter(tx: Transaction, write: Submit, *, queued: bool) -> Outcome:
    deployment = place_run(tx, write)
    if deployment is None:
        return nowhere()
    if queued and write.conversation is not None:
        waiting = tx.rows.queued(write.tenant, write.conversation)
        if waiting >= MAX_QUEUED:
            return Refused(code="limit", reason=f"{waiting:,} messages wait in this conversation already.")
    return _submitted(tx, start(tx, write, deployment, RunState.QUEUED if queued else RunState.READY))


def _earlier(tx: Transaction, write: Submit) -> Outcome | None:
    """What an earlier submission under the same id, or the same idempotency key, has come to."""
    by_id = _standing(tx, write.run_id)
    if by_id is not None or write.dedup is None:
        return by_id
    known = tx.rows.request(write.dedup.scope, write.dedup.key)
    if known is None or known.at <= tx.now - KEYS_KEPT:
        return None
    if known.hash != write.dedup.request:
        return Refused(code="key_reused", reason="This idempotency key stands for another request.")
    return _standing(tx, known.run_id)


def _standing(tx: Transaction, submission: RunId) -> Submitted | None:
    taker = tx.rows.injected(submission)
    # A message that its taker ended without has a run of its own.
    own = tx.rows.run(submission)
    run = own if own is not None or taker is None else tx.rows.run(taker)
    if run is None:
        return None
    return replace(_submitted(tx, run), existing=True, injected=own is None)


def _submitted(tx: Transaction, run: Run) -> Submitted:
    held = not run.ended and holds_back(intake.current(tx.rows, tx.now).paused, run)
    return Submitted(run_id=run.id, deployment=run.deployment, state=run.state, paused=held)


def _busy(tx: Transaction, write: Submit) -> Run | None:
    if write.conversation is None:
        return None
    return tx.rows.active(write.tenant, write.conversation)


def _may_take(busy: Run, write: Submit) -> bool:
    """Whether the active run may answer for the message: of the same agent and person, and with no bounds of its own.

    Another person's would be answered, and approved, in the name of the first; another agent's by the wrong one.
    """
    alike = (busy.program, busy.principal) == (write.program, write.principal)
    bounded = write.caps or write.deadline is not None or write.within_seconds is not None
    return write.when_busy == "inject" and alike and not bounded


def _rejected(write: Submit, busy: Run) -> Refused:
    reason = f"Run {busy.id} of conversation {write.conversation} is {busy.state}."
    return Refused(code="conversation_busy", reason=reason)


def _inject(tx: Transaction, write: Submit, into: Run) -> Outcome:
    signal = Deliver(signal_id=SignalId(write.run_id), run_id=into.id, name=INJECTED, value=write.input)
    outcome = deliver(tx, signal)
    if isinstance(outcome, Refused):
        return outcome
    tx.rows.put_injected(write.run_id, into.id)
    run = tx.rows.run(into.id)
    assert run is not None
    return replace(_submitted(tx, run), injected=True)


def _remember(tx: Transaction, write: Submit) -> None:
    assert write.dedup is not None
    tx.rows.forget_requests(tx.now - KEYS_KEPT, SWEEP)
    dedup = write.dedup
    tx.rows.put_request(
        Request(scope=dedup.scope, key=dedup.key, hash=dedup.request, run_id=write.run_id, at=tx.now)
    )
