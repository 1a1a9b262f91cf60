"""A letter tells the broker what one transaction did: which runs became READY, and what became of others."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import msgspec

from watership.adapters.ledger import Transaction
from watership.adapters.ledger.claim import is_due
from watership.adapters.ledger.columns import Row, micros
from watership.adapters.postgres.sheet import Sheet
from watership.durable.events import Entry, StepDone
from watership.durable.ids import DeploymentId, RunId
from watership.durable.outbox import Announced, Letter, Moved, Wakeup
from watership.durable.run import Run
from watership.durable.states import RunState


def letter_of(sheet: Sheet, tx: Transaction, tell: frozenset[RunState]) -> Letter | None:
    """What there is to tell, before the last flush; None for nothing."""
    wakeups, moved = _wakeups(sheet, tx), _moved(sheet, tell)
    announced = _announced(sheet) if tell else ()
    if not (wakeups or moved or announced):
        return None
    return Letter(wakeups=wakeups, moved=moved, announced=announced)


def letter_row(letter: Letter, now: datetime) -> Row:
    return micros(now), msgspec.json.encode(letter)


def _wakeups(sheet: Sheet, tx: Transaction) -> tuple[Wakeup, ...]:
    """Those that were roused and not claimed in the same transaction, by their queues."""
    queues: defaultdict[tuple[DeploymentId, str, int], list[RunId]] = defaultdict(list)
    for run_id in tx.roused:
        run = sheet.now.get(run_id)
        if run is not None and is_due(run, tx.now):
            queues[run.deployment, run.pool, run.priority].append(run_id)
    return tuple(
        Wakeup(deployment=deployment, pool=pool, priority=priority, runs=tuple(runs))
        for (deployment, pool, priority), runs in queues.items()
    )


def _moved(sheet: Sheet, tell: frozenset[RunState]) -> tuple[Moved, ...]:
    changed = dict.fromkeys((*sheet.before, *sheet.changed))
    moved = (run for run_id in changed if (run := sheet.came_into(run_id)) is not None)
    return tuple(
        _told(run)
        for run in moved
        if run.state in tell or (run.ended and run.reply_to and run.successor is None)
    )


def _announced(sheet: Sheet) -> tuple[Announced, ...]:
    return tuple(_announcement(sheet.now[entry.run_id], entry, done) for entry, done in sheet.announced)


def _announcement(run: Run, entry: Entry, done: StepDone) -> Announced:
    return Announced(
        topic=done.topic,
        value=done.value,
        run_id=run.id,
        program=run.program,
        tenant=run.tenant,
        deployment=run.deployment,
        at=entry.at,
        seq=entry.seq,
        conversation=run.conversation,
        parent=run.parent,
    )


def _told(run: Run) -> Moved:
    return Moved(
        run_id=run.id,
        program=run.program,
        tenant=run.tenant,
        deployment=run.deployment,
        state=run.state,
        at=run.updated_at,
        seq=run.seq,
        conversation=run.conversation,
        parent=run.parent,
        reply_to=run.reply_to if run.ended and run.successor is None else "",
        result=run.result,
        failure=run.failure,
    )
