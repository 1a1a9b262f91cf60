"""A claim gives a worker what is due, under the next epoch; what no worker survives is set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from watership.adapters.ledger import intake
from watership.adapters.ledger.bounds import MAX_ENTRIES
from watership.adapters.ledger.change import Transaction, journal
from watership.durable.events import Failure, Restarted
from watership.durable.ids import Key
from watership.durable.run import POISON, Run
from watership.durable.states import RunState, move
from watership.durable.writes import Claim, Claimed, ClaimedRun
from watership.fleet.intake import IntakeState, holds_back

POISONED = "Poison"
"""The failure's kind of a run that was claimed again and again without getting anywhere."""


def claim(tx: Transaction, write: Claim) -> Claimed:
    """Up to `limit` runs, or one suspect. Poisoned ones are stopped on the way. Nothing while read-only."""
    state = intake.current(tx.rows, tx.now)
    if state.readonly:
        return Claimed(runs=())
    taken: list[ClaimedRun] = []
    while len(taken) < write.limit:
        due = _due(tx, write, state, write.limit - len(taken))
        if not due:
            break
        for run in due:
            claimed = _take(tx, run, write)
            if claimed.claims > write.poison_limit:
                tx.rows.put(_stopped(claimed))
                continue
            if claimed.suspect and taken:
                return Claimed(runs=tuple(taken))
            if run.state is RunState.RUNNING and run.seq < MAX_ENTRIES:
                assert run.lease_owner is not None, "a running run has an owner"
                claimed = journal(tx, claimed, Restarted(key=Key(""), worker=run.lease_owner))
            tx.rows.put(claimed)
            taken.append(
                ClaimedRun(
                    run=tx.rows.whole(claimed),
                    events=tx.rows.events(run.id) if claimed.seq else (),
                    inbox=tx.rows.signals(run.id) if run.inbox else (),
                )
            )
            if claimed.suspect:
                return Claimed(runs=tuple(taken))
    return Claimed(runs=tuple(taken))


def _due(tx: Transaction, write: Claim, state: IntakeState, limit: int) -> Sequence[Run]:
    if write.runs is None:
        return tx.rows.due(write.deployment, write.pool, tx.now, limit, state.paused)
    here = (write.deployment, write.pool)
    free = tx.rows.free(write.runs)
    due = (run for run in free if (run.deployment, run.pool) == here and is_due(run, tx.now))
    return [run for run in due if not holds_back(state.paused, run)][:limit]


def is_due(run: Run, now: datetime) -> bool:
    """Whether a worker may claim the run: it is ready, or its timer or its lease ran out."""
    match run.state:
        case RunState.READY:
            return True
        case RunState.WAITING:
            return run.wake_at is not None and run.wake_at <= now
        case RunState.RUNNING:
            return run.lease_until is not None and run.lease_until <= now
        case _:
            return False


def _take(tx: Transaction, run: Run, write: Claim) -> Run:
    return replace(
        run,
        state=move(run.state, RunState.RUNNING),
        epoch=run.epoch + 1,
        claims=run.claims + 1,
        wake_at=None,
        waits=(),
        lease_owner=write.worker,
        lease_until=tx.now + timedelta(seconds=write.lease_seconds),
        updated_at=tx.now,
    )


def _stopped(run: Run) -> Run:
    tried = run.claims - 1
    message = f"Claimed {tried} times without progress: its workers ended or lost it before its next entry."
    return replace(
        run,
        state=move(run.state, RunState.STOPPED),
        lease_owner=None,
        lease_until=None,
        failure=Failure(kind=POISONED, message=message, code=POISON),
    )
