"""What is asked of the runs, on connections that never write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from watership.adapters.ledger.cohort import cohorts_of, too_old
from watership.adapters.ledger.columns import (
    RUN,
    WIDTH,
    entry_of,
    micros,
    micros_or_null,
    moment,
    moment_or_none,
    run_of,
    signal_of,
)
from watership.adapters.ledger.cursor import parse_cursor, spell_cursor
from watership.adapters.postgres.pool import Session
from watership.adapters.postgres.statements import NOW
from watership.durable.counters import Count
from watership.durable.events import Entry
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
from watership.durable.run import Run, Signal
from watership.durable.states import RunState

_GET = f"SELECT {RUN}, input FROM runs WHERE id = $1"  # noqa: S608
_JOURNAL = """
SELECT seq, epoch, at, version, event FROM journal WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"""
_INBOX = """
SELECT number, id, name, value, at FROM signals WHERE run_id = $1 AND number > $2 ORDER BY number"""
_CENSUS = "SELECT deployment, state, count(*) FROM runs GROUP BY deployment, state"
# The newest by number, not by time: no index tells when a run was made, as each one costs every move of a run.
_COHORTS = """
WITH edge AS (SELECT coalesce(max(serial), 0) - $4 AS serial FROM runs)
SELECT NULL, NULL, NULL, created_at FROM runs
WHERE serial = (SELECT max(serial) FROM runs WHERE serial <= (SELECT serial FROM edge))
UNION ALL SELECT deployment, id, state, created_at FROM runs
WHERE serial > (SELECT serial FROM edge) AND created_at > $2 AND created_at <= $3 AND deployment = ANY($1::text[])"""
_BACKLOG = f"""
SELECT count(waiting.updated_at), min(waiting.updated_at), (SELECT coalesce(max(serial), 0) FROM runs),
  (SELECT count(*) FROM workers WHERE deployment = ANY($1::text[]) AND seen_at >= clock.now - $3), clock.now
FROM (SELECT coalesce($4, {NOW}) AS now) AS clock LEFT JOIN (
  SELECT updated_at FROM runs WHERE state = 'ready' AND deployment = ANY($1::text[])
    AND (cancel_requested OR (SELECT paused IS NULL FROM intake)
      OR NOT (SELECT convert_from(paused, 'UTF8')::jsonb FROM intake) ? program)
  LIMIT $2) AS waiting ON TRUE
GROUP BY clock.now"""  # noqa: S608
_NEXT_WAKE = """
SELECT least(
  (SELECT min(wake_at) FROM runs
    WHERE deployment = $1 AND pool = $2 AND state = 'waiting' AND wake_at IS NOT NULL),
  (SELECT min(lease_until) FROM runs WHERE deployment = $1 AND pool = $2 AND state = 'running'))"""
_LATE = f"""
SELECT id FROM runs WHERE deadline <= coalesce($2, {NOW}) AND state NOT IN ('succeeded', 'failed', 'cancelled')
  AND (NOT cancel_requested OR state = 'stopped') ORDER BY deadline LIMIT $1"""  # noqa: S608
_WORKERS = """
SELECT id, deployment, pool, slots, seen_at, coalesce(leased, 0) FROM workers LEFT JOIN (
  SELECT lease_owner, count(*) AS leased FROM runs WHERE state = 'running' GROUP BY lease_owner
) AS leases ON lease_owner = id ORDER BY id"""
_COUNTS = 'SELECT name, reserved, spent FROM counters WHERE name = ANY($1::text[]) ORDER BY name COLLATE "C"'
# A standby answers too, but nothing can be written there.
_PING = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"


async def get(db: Session, run_id: RunId) -> Run | None:
    rows = await db.fetch(_GET, run_id)
    return run_of(rows[0], rows[0][WIDTH]) if rows else None


async def page(db: Session, which: RunFilter, limit: int, after: str | None) -> RunPage:
    """Newest first. The count and the page are of one moment: they are one statement."""
    clauses, facts = _narrowed(which)
    before = parse_cursor(after) if after is not None else None
    where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    older = f"{where or ' WHERE TRUE'} AND serial < ${len(facts) + 2}" if before is not None else where
    query = f"""
    SELECT counted.total, shown.* FROM (SELECT count(*) AS total FROM runs{where}) AS counted
    LEFT JOIN LATERAL (
      SELECT {RUN}, input, serial FROM runs{older} ORDER BY serial DESC LIMIT ${len(facts) + 1}
    ) AS shown ON TRUE ORDER BY shown.serial DESC"""  # noqa: S608  # clauses are ours, values are parameters
    bounds = [limit + 1] if before is None else [limit + 1, before]
    rows = await db.fetch(query, *facts, *bounds)
    found = [row[1:] for row in map(tuple, rows) if row[1] is not None]
    runs = tuple(run_of(row, row[WIDTH]) for row in found[:limit])
    following = spell_cursor(found[limit - 1][WIDTH + 1]) if len(found) > limit and runs else None
    return RunPage(runs=runs, total_count=rows[0][0], next=following)


async def journal(db: Session, run_id: RunId, after: int, limit: int) -> list[Entry]:
    return [entry_of(run_id, row) for row in await db.fetch(_JOURNAL, run_id, after, limit)]


async def inbox(db: Session, run_id: RunId, after: int) -> list[Signal]:
    return [signal_of(run_id, row) for row in await db.fetch(_INBOX, run_id, after)]


async def census(db: Session) -> dict[tuple[DeploymentId, RunState], int]:
    rows = await db.fetch(_CENSUS)
    return {(DeploymentId(deployment), RunState(state)): count for deployment, state, count in rows}


async def cohorts(
    db: Session, deployments: Sequence[DeploymentId], after: datetime, until: datetime, some: int
) -> dict[DeploymentId, Cohort]:
    rows = await db.fetch(_COHORTS, list(deployments), micros(after), micros(until), COHORT_RUNS)
    if any(row[0] is None and row[3] > micros(after) for row in rows):
        raise too_old()
    return cohorts_of(deployments, ((row[0], row[1], row[2]) for row in rows if row[0] is not None), some)


async def workers(db: Session) -> list[WorkerPresence]:
    return [
        WorkerPresence(
            id=WorkerId(row[0]),
            deployment=DeploymentId(row[1]),
            pool=row[2],
            slots=row[3],
            seen_at=moment(row[4]),
            leased=row[5],
        )
        for row in await db.fetch(_WORKERS)
    ]


async def counts(db: Session, names: Sequence[str]) -> list[Count]:
    rows = await db.fetch(_COUNTS, list(names))
    return [Count(name=name, reserved=reserved, spent=spent) for name, reserved, spent in rows]


async def backlog(
    db: Session, deployments: Sequence[DeploymentId], limit: int, now: datetime | None
) -> Backlog:
    """Through the index of READY runs alone, and never more than `limit` of them."""
    heard = HEARD_SECONDS * 1_000_000
    row = await db.fetchrow(_BACKLOG, list(deployments), limit, int(heard), micros_or_null(now))
    ready, oldest, made, workers_there, at = row
    return Backlog(
        ready=ready, oldest=moment_or_none(oldest), made=made, workers=workers_there, at=moment(at)
    )


async def late(db: Session, limit: int, now: datetime | None) -> list[RunId]:
    return [RunId(row[0]) for row in await db.fetch(_LATE, limit, micros_or_null(now))]


async def next_wake(db: Session, deployment: DeploymentId, pool: str) -> datetime | None:
    (row,) = await db.fetch(_NEXT_WAKE, deployment, pool)
    return moment_or_none(row[0])


async def only_reads(db: Session) -> bool:
    """Whether this server takes no writes."""
    (row,) = await db.fetch(_PING)
    return bool(row[0])


def _narrowed(which: RunFilter) -> tuple[list[str], list[object]]:
    """The clauses of a filter, and the values of their parameters."""
    clauses: list[str] = []
    facts: list[object] = []
    for column in ("tenant", "program", "deployment", "conversation", "parent"):
        value = getattr(which, column)
        if value is not None:
            facts.append(value)
            clauses.append(f"{column} = ${len(facts)}")
    if which.states is not None:
        facts.append([state.value for state in sorted(which.states)])
        clauses.append(f"state = ANY(${len(facts)}::text[])")
    return clauses, facts
