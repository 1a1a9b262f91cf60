"""The runs table inside one transaction: read once, changed in memory, written back before anything searches it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from msgspec import Raw
from msgspec.json import encode
from msgspec.structs import replace

from watership.adapters.ledger.bounds import DUE_WINDOW
from watership.adapters.ledger.columns import (
    BIRTH,
    PLACE,
    PROGRESS,
    RUN,
    Row,
    birth_of,
    micros,
    place_of,
    progress_of,
    run_of,
)
from watership.durable.ids import DeploymentId, RunId, WorkerId
from watership.durable.run import Run

_COLUMNS = BIRTH + PLACE + PROGRESS
_INSERT = f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_INSERT_INPUT = "INSERT INTO inputs (serial, input) SELECT serial, ? FROM runs WHERE id = ?"
_UPDATE = f"UPDATE runs SET {', '.join(f'{column} = ?' for column in PLACE + PROGRESS)} WHERE id = ?"  # noqa: S608
# An UPDATE rewrites the entries of every index on a column that it names: most appends name none.
_UPDATE_PROGRESS = f"UPDATE runs SET {', '.join(f'{column} = ?' for column in PROGRESS)} WHERE id = ?"  # noqa: S608

_BY_ID = f"SELECT {RUN} FROM runs WHERE id = ?"  # noqa: S608
_BY_IDS = f"SELECT {RUN} FROM json_each(?) AS wanted CROSS JOIN runs ON runs.id = wanted.value"  # noqa: S608
_INPUT = "SELECT input FROM inputs JOIN runs USING (serial) WHERE id = ?"
_PAUSED = "AND (cancel_requested OR program NOT IN (SELECT value FROM json_each(:paused)))"
_LEASED = f"SELECT {RUN} FROM runs WHERE lease_owner = ? AND state = 'running' ORDER BY serial"  # noqa: S608
_UNCLAIMED = f"""
SELECT {RUN} FROM runs WHERE deployment = ? AND epoch = 0 AND state IN ('ready', 'queued')
ORDER BY serial"""  # noqa: S608
_OPEN = "state NOT IN ('succeeded', 'failed', 'cancelled')"
_TURNS = f"FROM runs WHERE tenant = ? AND conversation = ? AND {_OPEN}"
_ACTIVE = f"SELECT {RUN} {_TURNS} AND state <> 'queued' ORDER BY serial LIMIT 1"
_NEXT = f"SELECT {RUN} {_TURNS} AND state = 'queued' ORDER BY serial LIMIT 1"
_QUEUED = f"SELECT count(*) {_TURNS} AND state = 'queued'"
_OPEN_CHILDREN = f"SELECT {RUN} FROM runs WHERE parent = ? AND {_OPEN} ORDER BY serial"  # noqa: S608
_CHILDREN = "SELECT count(DISTINCT coalesce(parent_key, '')) FROM runs WHERE parent = ?"


def _due(held: str = "") -> str:
    """The search for what is due, without what is `held` back."""
    return f"""
SELECT {RUN} FROM runs JOIN (
  SELECT serial FROM (
    SELECT serial FROM runs WHERE deployment = :deployment AND pool = :pool AND state = 'ready' {held}
    ORDER BY priority DESC, serial LIMIT :limit)
  UNION ALL SELECT serial FROM (
    SELECT serial FROM runs WHERE deployment = :deployment AND pool = :pool AND state = 'waiting'
      AND wake_at IS NOT NULL AND wake_at <= :now {held} ORDER BY wake_at, serial LIMIT :window)
  UNION ALL SELECT serial FROM (
    SELECT serial FROM runs WHERE deployment = :deployment AND pool = :pool AND state = 'running'
      AND lease_until <= :now {held} ORDER BY lease_until, serial LIMIT :window)
) AS due USING (serial) ORDER BY runs.priority DESC, runs.serial LIMIT :limit"""  # noqa: S608


_DUE, _DUE_BUT_PAUSED = _due(), _due(_PAUSED)


class RunTable:
    """RunRows over SQLite. Nothing outlives the transaction: another process may write in between."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._now: dict[RunId, Run] = {}
        self._stored: dict[RunId, Run] = {}
        """What the file holds of the runs in `_now`; a run that is not here is new."""
        self._changed: dict[RunId, None] = {}
        self._absent: set[RunId] = set()
        """Runs that were looked for and are not in the file; one that is added since is in `_now`."""

    def look_up_runs(self, wanted: list[RunId]) -> None:
        """Read what a transaction will ask for in one go: each statement costs a hand-over between threads."""
        self._absent.update(wanted)
        for row in self._db.execute(_BY_IDS, (encode(wanted),)).fetchall():
            self._absent.discard(self._known(row).id)

    def run(self, run_id: RunId) -> Run | None:
        known = self._now.get(run_id)
        if known is not None:
            return known
        if run_id in self._absent:
            return None
        row = self._db.execute(_BY_ID, (run_id,)).fetchone()
        return None if row is None else self._known(row)

    def whole(self, run: Run) -> Run:
        if run.id not in self._stored:
            self.flush_runs()
        row = self._db.execute(_INPUT, (run.id,)).fetchone()
        return replace(run, input=Raw(row[0]))

    def add(self, run: Run) -> None:
        self._now[run.id] = run
        self._changed[run.id] = None

    def put(self, run: Run) -> None:
        self._now[run.id] = run
        self._changed[run.id] = None

    def due(
        self, deployment: DeploymentId, pool: str, now: datetime, limit: int, paused: Sequence[str]
    ) -> list[Run]:
        facts = {
            "deployment": deployment,
            "pool": pool,
            "now": micros(now),
            "limit": limit,
            "window": DUE_WINDOW,
        }
        if not paused:
            return self._select(_DUE, facts)
        return self._select(_DUE_BUT_PAUSED, facts | {"paused": encode(paused)})

    def free(self, wanted: Sequence[RunId]) -> list[Run]:
        return [run for run_id in wanted if (run := self.run(run_id)) is not None]

    def leased(self, worker: WorkerId) -> list[Run]:
        return self._select(_LEASED, (worker,))

    def unclaimed(self, deployment: DeploymentId) -> list[Run]:
        return self._select(_UNCLAIMED, (deployment,))

    def children(self, parent: RunId) -> int:
        return self._count(_CHILDREN, (parent,))

    def open_children(self, parent: RunId) -> list[Run]:
        return self._select(_OPEN_CHILDREN, (parent,))

    def active(self, tenant: str, conversation: str) -> Run | None:
        return next(iter(self._select(_ACTIVE, (tenant, conversation))), None)

    def queued(self, tenant: str, conversation: str) -> int:
        return self._count(_QUEUED, (tenant, conversation))

    def next_queued(self, tenant: str, conversation: str) -> Run | None:
        return next(iter(self._select(_NEXT, (tenant, conversation))), None)

    def flush_runs(self) -> None:
        """Write back what has changed: before a search, and before the commit."""
        if not self._changed:
            return
        changed = [self._now[run_id] for run_id in self._changed]
        self._changed.clear()
        new = [run for run in changed if run.id not in self._stored]
        if new:
            self._db.executemany(_INSERT, [birth_of(run) + place_of(run) + progress_of(run) for run in new])
            self._db.executemany(_INSERT_INPUT, [(bytes(run.input), run.id) for run in new])
        old = [run for run in changed if run.id in self._stored]
        moved: list[Run] = []
        stayed: list[Run] = []
        for run in old:
            (moved if _has_moved(self._stored[run.id], run) else stayed).append(run)
        self._db.executemany(_UPDATE, [(*place_of(run), *progress_of(run), run.id) for run in moved])
        self._db.executemany(_UPDATE_PROGRESS, [(*progress_of(run), run.id) for run in stayed])
        self._stored.update((run.id, run) for run in changed)

    def _select(self, query: str, facts: Row | dict[str, object]) -> list[Run]:
        self.flush_runs()
        return [self._known(row) for row in self._db.execute(query, facts).fetchall()]

    def _count(self, query: str, facts: Row) -> int:
        self.flush_runs()
        return int(self._db.execute(query, facts).fetchone()[0])

    def _known(self, row: Row) -> Run:
        known = self._now.get(row[0])
        if known is None:
            known = self._now[row[0]] = self._stored[row[0]] = run_of(row)
        return known


def _has_moved(before: Run, after: Run) -> bool:
    return any(getattr(before, column) is not getattr(after, column) for column in PLACE)
