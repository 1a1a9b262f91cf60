"""A run ends: its last entry, its result to its parent, its place in the conversation to the next.

One that was cancelled, or came too late, asks the children that it leaves behind to end as well. A message that was
handed to it and not taken becomes a run of its own: nothing that was accepted is lost.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from watership.adapters.ledger.change import Transaction, journal, to_ready
from watership.adapters.ledger.inbox import put_signal
from watership.adapters.ledger.submit import start
from watership.durable.events import Failure, Finished, SignalTaken
from watership.durable.ids import Key, RunId, SignalId, child_id
from watership.durable.run import ChildResult, Run, child_signal, expiry
from watership.durable.states import RunState, move
from watership.durable.writes import INJECTED, Submit

_NULL = msgspec.Raw(b"null")


def end(
    tx: Transaction,
    run: Run,
    state: RunState,
    *,
    result: msgspec.Raw = _NULL,
    failure: Failure | None = None,
    successor: RunId | None = None,
    learned: tuple[str, ...] | None = None,
) -> None:
    """Move `run` to its end. A successor, which the caller has started, answers the parent in its stead."""
    moved = move(run.state, state)
    last = Finished(
        key=Key(""), state=str(state), result=result, failure=failure, successor=successor, learned=learned
    )
    run = replace(
        journal(tx, run, last),
        state=moved,
        result=result,
        failure=failure,
        successor=successor,
        claims=0,
        wake_at=None,
        waits=(),
        lease_owner=None,
        lease_until=None,
    )
    tx.rows.put(run)
    if (
        state is RunState.CANCELLED or run.expired
    ):  # nobody waits for its children; they ask theirs as they end
        for child in tx.rows.open_children(run.id):
            ask_to_end(tx, child, expired=run.expired)
    if successor is None:
        _tell_parent(tx, run, learned or ())
    _start_unheard(tx, run)
    _promote(tx, run)


def ask_to_end(tx: Transaction, run: Run, *, at_once: bool = False, expired: bool = False) -> None:
    """Ends at once what never began; else asks, and makes the run claimable so that it can compensate.

    Asked again it changes nothing, except that a run which stopped while it compensated ends at once; so does a
    stopped one where that is wanted. It ends as the first who asked wanted it: as cancelled, or as `expired`.
    """
    asked = run.cancel_requested
    hopeless = run.state is RunState.STOPPED and (asked or at_once)
    late = run.expired if asked else expired
    run = replace(run, cancel_requested=True, expired=late, updated_at=tx.now)
    if run.epoch == 0 or hopeless:
        end(tx, run, RunState.FAILED if late else RunState.CANCELLED, failure=expiry(run) if late else None)
    elif not asked and run.state is RunState.RUNNING:
        tx.touched.add(run.id)
        tx.rows.put(run)
    elif not asked:
        tx.rows.put(replace(to_ready(tx, run), claims=0, failure=None))


def _tell_parent(tx: Transaction, run: Run, learned: tuple[str, ...]) -> None:
    parent = tx.rows.run(run.parent) if run.parent is not None else None
    signal_id = SignalId(child_signal(run.id))
    if parent is None or parent.ended or tx.rows.has_signal(parent.id, signal_id):
        return
    outcome = ChildResult(state=run.state, result=run.result, failure=run.failure, learned=learned)
    # A successor has an id of its own; the parent waits for the child that it started.
    name = child_signal(child_id(parent.id, run.parent_key) if run.parent_key is not None else run.id)
    # Not through the codec: it was bounded as the child's result, and must arrive whatever the wrapping adds.
    put_signal(tx, parent, signal_id, name, msgspec.Raw(msgspec.json.encode(outcome)))


def _start_unheard(tx: Transaction, run: Run) -> None:
    """A message that was handed to the run, and that it did not take, was accepted: it gets a run of its own."""
    if run.conversation is None or not run.inbox:
        return
    messages = [signal for signal in tx.rows.signals(run.id) if signal.name == INJECTED]
    if not messages:
        return
    taken = {event.signal_id for event in tx.rows.events(run.id) if isinstance(event, SignalTaken)}
    for each in messages:
        submission = RunId(each.id)
        if each.id in taken or tx.rows.injected(submission) != run.id or tx.rows.run(submission) is not None:
            continue
        write = Submit(
            run_id=submission,
            program=run.program,
            input=each.value,
            tenant=run.tenant,
            principal=run.principal,
            pool=run.pool,
            priority=run.priority,
            conversation=run.conversation,
        )
        start(tx, write, run.deployment, RunState.QUEUED)


def _promote(tx: Transaction, run: Run) -> None:
    """The next in the conversation gets its turn, unless somebody is still at it: a successor, or a child."""
    if run.conversation is None or tx.rows.active(run.tenant, run.conversation) is not None:
        return
    following = tx.rows.next_queued(run.tenant, run.conversation)
    if following is not None:
        tx.rows.put(to_ready(tx, following))
