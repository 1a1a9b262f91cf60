"""What is asked of the runs, on a connection that never writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.json import encode

from watership.adapters.ledger.cohort import cohorts_of, too_old
from watership.adapters.ledger.columns import RUN, micros, moment, moment_or_none, run_of
from watership.adapters.ledger.cursor import parse_cursor, spell_cursor
from watership.durable.ids import DeploymentId, RunId, WorkerId
from watership.durable.ports import (
    COHORT_RUNS,
    HEARD_SECONDS,
    Backlog,
    Cohort,
    RunFilter,
    RunPage,
    WorkerPresence,
)
from watership.durable.run import Run
from watership.durable.states import RunState

_FULL = f"SELECT {RUN}, inputs.input, runs.serial FROM runs JOIN inputs USING (serial)"  # noqa: S608
_NEXT_WAKE = """
SELECT min(due) FROM (
  SELECT min(wake_at) AS due FROM runs
  WHERE deployment = :deployment AND pool = :pool AND state = 'waiting' AND wake_at IS NOT NULL
  UNION ALL SELECT min(lease_until) FROM runs
  WHERE deployment = :deployment AND pool = :pool AND state = 'running')"""
_LATE = """
SELECT id FROM runs WHERE deadline <= ? AND state NOT IN ('succeeded', 'failed', 'cancelled')
  AND (NOT cancel_requested OR state = 'stopped') ORDER BY deadline LIMIT ?"""
_WORKERS = """
SELECT id, deployment, pool, slots, seen_at,
  (SELECT count(*) FROM runs WHERE lease_owner = workers.id AND state = 'running') FROM workers ORDER BY id"""

# The newest by number, not by time: no index tells when a run was made, as each one costs every move of a run.
_COHORTS = """
SELECT deployment, id, state FROM runs WHERE serial > (SELECT coalesce(max(serial), 0) FROM runs) - :newest
  AND created_at > :after AND created_at <= :until AND deployment IN (SELECT value FROM json_each(:deployments))"""
_BEFORE_COHORTS = """
SELECT created_at FROM runs WHERE serial <= (SELECT max(serial) FROM runs) - ? ORDER BY serial DESC LIMIT 1"""
_BACKLOG = """
SELECT count(*), min(updated_at), (SELECT coalesce(max(serial), 0) FROM runs),
  (SELECT count(*) FROM workers
   WHERE deployment IN (SELECT value FROM json_each(:deployments)) AND seen_at >= :heard)
FROM (SELECT updated_at FROM runs
      WHERE state = 'ready' AND deployment IN (SELECT value FROM json_each(:deployments))
        AND (cancel_requested OR program NOT IN (SELECT value FROM intake, json_each(coalesce(paused, '[]'))))
      LIMIT :limit)"""


def get(db: sqlite3.Connection, run_id: RunId) -> Run | None:
    row = db.execute(f"{_FULL} WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else run_of(row, row[-2])


def page(db: sqlite3.Connection, which: RunFilter, limit: int, after: str | None) -> RunPage:
    """Newest first. The count and the page are of one moment."""
    clauses, facts = _narrowed(which)
    older = [*clauses, "serial < :before"] if after is not None else clauses
    bounds = {"before": parse_cursor(after) if after is not None else 0, "limit": limit + 1}
    db.execute("BEGIN")
    try:
        total = db.execute(f"SELECT count(*) FROM runs{_where(clauses)}", facts).fetchone()[0]  # noqa: S608
        query = f"{_FULL}{_where(older)} ORDER BY serial DESC LIMIT :limit"
        rows = db.execute(query, facts | bounds).fetchall()
    finally:
        db.execute("COMMIT")
    shown = rows[:limit]
    following = spell_cursor(shown[-1][-1]) if len(rows) > limit and shown else None
    return RunPage(runs=tuple(run_of(row, row[-2]) for row in shown), total_count=total, next=following)


def census(db: sqlite3.Connection) -> dict[tuple[DeploymentId, RunState], int]:
    rows = db.execute("SELECT deployment, state, count(*) FROM runs GROUP BY deployment, state")
    return {(DeploymentId(deployment), RunState(state)): count for deployment, state, count in rows}


def cohorts(
    db: sqlite3.Connection, deployments: Sequence[DeploymentId], after: datetime, until: datetime, some: int
) -> dict[DeploymentId, Cohort]:
    before = db.execute(_BEFORE_COHORTS, (COHORT_RUNS,)).fetchone()
    if before is not None and before[0] > micros(after):
        raise too_old()
    facts = {"deployments": encode(list(deployments)).decode(), "newest": COHORT_RUNS}
    rows = db.execute(_COHORTS, facts | {"after": micros(after), "until": micros(until)})
    return cohorts_of(deployments, rows, some)


def workers(db: sqlite3.Connection) -> list[WorkerPresence]:
    return [
        WorkerPresence(
            id=WorkerId(row[0]),
            deployment=DeploymentId(row[1]),
            pool=row[2],
            slots=row[3],
            seen_at=moment(row[4]),
            leased=row[5],
        )
        for row in db.execute(_WORKERS)
    ]


def late(db: sqlite3.Connection, now: datetime, limit: int) -> list[RunId]:
    return [RunId(row[0]) for row in db.execute(_LATE, (micros(now), limit))]


def next_wake(db: sqlite3.Connection, deployment: DeploymentId, pool: str) -> datetime | None:
    return moment_or_none(db.execute(_NEXT_WAKE, {"deployment": deployment, "pool": pool}).fetchone()[0])


def backlog(
    db: sqlite3.Connection, deployments: Sequence[DeploymentId], limit: int, now: datetime
) -> Backlog:
    """Through the index of READY runs alone, and never more than `limit` of them."""
    facts = {
        "deployments": encode(list(deployments)),
        "limit": limit,
        "heard": micros(now - timedelta(seconds=HEARD_SECONDS)),
    }
    ready, oldest, made, there = db.execute(_BACKLOG, facts).fetchone()
    return Backlog(ready=ready, oldest=moment_or_none(oldest), made=made, workers=there, at=now)


def _narrowed(which: RunFilter) -> tuple[list[str], dict[str, object]]:
    """The clauses of a filter, and the values of their names."""
    facts: dict[str, object] = {
        column: value
        for column in ("tenant", "program", "deployment", "conversation", "parent")
        if (value := getattr(which, column)) is not None
    }
    clauses = [f"{column} = :{column}" for column in facts]
    if which.states is not None:
        states = {f"state{number}": state.value for number, state in enumerate(sorted(which.states))}
        clauses.append(f"state IN ({', '.join(f':{name}' for name in states)})")
        facts |= states
    return clauses, facts


def _where(clauses: list[str]) -> str:
    return f" WHERE {' AND '.join(clauses)}" if clauses else ""
