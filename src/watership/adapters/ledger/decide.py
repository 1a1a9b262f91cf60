"""What people, and the time, decide about a run: to end it, to answer for a step in doubt, to let it try again."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from watership.adapters.ledger.bounds import MAX_ENTRIES
from watership.adapters.ledger.change import Transaction, journal, to_ready, unknown
from watership.adapters.ledger.ending import ask_to_end
from watership.durable.events import (
    AnswerRefused,
    AnyEvent,
    StepAnswered,
    StepDone,
    StepFailed,
    StepRetried,
    StepStarted,
)
from watership.durable.ids import Key
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import (
    Answer,
    Cancel,
    Done,
    Duplicate,
    Expire,
    Outcome,
    RefuseAnswer,
    Refused,
    Retry,
)


def decide(tx: Transaction, write: Cancel | Expire | Answer | RefuseAnswer | Retry) -> Outcome:
    match write:
        case Cancel():
            return cancel(tx, write)
        case Expire():
            return expire(tx, write)
        case Answer():
            return answer(tx, write)
        case RefuseAnswer():
            return refuse_answer(tx, write)
        case Retry():
            return retry(tx, write)
        case _:
            assert_never(write)


def cancel(tx: Transaction, write: Cancel) -> Outcome:
    """Ask a run to end; what was cancelled already was so by this write, or by an equal one."""
    run = tx.rows.run(write.run_id)
    if run is None:
        return unknown(write.run_id)
    if run.state is RunState.CANCELLED:
        return Duplicate()
    if run.ended:
        return Refused(code="illegal_move", reason=f"Run {run.id} is {run.state}: it has ended.")
    ask_to_end(tx, run, at_once=write.at_once)
    return Done()


def expire(tx: Transaction, write: Expire) -> Outcome:
    """Ask a run to end whose deadline has passed; whoever asked first is heard."""
    run = tx.rows.run(write.run_id)
    if run is None:
        return unknown(write.run_id)
    if run.deadline is None or run.deadline > tx.now:
        return Refused(code="illegal_move", reason=f"Run {run.id} is not late.")
    if not is_late(run, tx.now):
        return Duplicate()
    ask_to_end(tx, run, at_once=True, expired=True)
    return Done()


def is_late(run: Run, now: datetime) -> bool:
    """Whether the run should have ended and nobody has asked it to; or it stopped, and nobody decided in time."""
    if run.deadline is None or run.deadline > now or run.ended:
        return False
    return not run.cancel_requested or run.state is RunState.STOPPED


def answer(tx: Transaction, write: Answer) -> Outcome:
    """Journal the decision, under the epoch that the run has, and let it go on."""
    run = tx.rows.run(write.run_id)
    if run is None:
        return unknown(write.run_id)
    if tx.rows.remembers(run.id, write.entry_id):
        return Duplicate()
    if run.state is not RunState.IN_DOUBT or not _asks(tx, run, write.key):
        return Refused(code="not_in_doubt", reason=f"Run {run.id} is not in doubt at {write.key}.")
    tx.rows.remember(run.id, write.entry_id)
    decided = StepAnswered(key=write.key, decision=write.decision, by=write.by, value=write.value)
    tx.rows.put(_again(tx, journal(tx, run, decided)))
    return Done()


def refuse_answer(tx: Transaction, write: RefuseAnswer) -> Outcome:
    """Journal the refusal, under the epoch that the parked run has; nothing else changes."""
    run = tx.rows.run(write.run_id)
    if run is None:
        return unknown(write.run_id)
    if tx.rows.remembers(run.id, write.entry_id):
        return Duplicate()
    if all(waiting.key != write.key for waiting in run.waits):
        return Refused(code="not_waiting", reason=f"Run {run.id} does not wait at {write.key} now.")
    if run.seq >= MAX_ENTRIES:
        return Refused(code="limit", reason=f"The journal of run {run.id} is full.")
    tx.rows.remember(run.id, write.entry_id)
    tx.rows.put(journal(tx, run, AnswerRefused(key=write.key, by=write.by, reason=write.reason)))
    return Done()


def _asks(tx: Transaction, run: Run, key: Key) -> bool:
    """Whether the run waits for a decision about `key`: a first one, or another for one that did not fit."""
    asked = {waiting.key for waiting in run.waits if waiting.kind == "answer"}
    return key in asked if asked else in_doubt(tx.rows.events(run.id), key)


def in_doubt(events: tuple[AnyEvent, ...], key: Key) -> bool:
    """Whether the last start of the step at `key` has neither a result nor an answer."""
    doubt = False
    for event in events:
        if event.key != key:
            continue
        if isinstance(event, StepStarted):
            doubt = True
        elif isinstance(event, StepDone | StepFailed | StepRetried | StepAnswered):
            doubt = False
    return doubt


def retry(tx: Transaction, write: Retry) -> Outcome:
    run = tx.rows.run(write.run_id)
    if run is None:
        return unknown(write.run_id)
    if tx.rows.remembers(run.id, write.entry_id):
        return Duplicate()
    if run.state is not RunState.STOPPED:
        return Refused(code="illegal_move", reason=f"Run {run.id} is {run.state}, not stopped.")
    tx.rows.remember(run.id, write.entry_id)
    tx.rows.put(_again(tx, run))
    return Done()


def _again(tx: Transaction, run: Run) -> Run:
    return replace(to_ready(tx, run), claims=0, failure=None)
