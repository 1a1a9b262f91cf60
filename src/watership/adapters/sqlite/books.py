"""What is remembered beside the runs: requests, injected messages, workers, counters, the intake, deployments."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import msgspec

from watership.adapters.ledger.columns import intake_of, intake_row, micros, moment
from watership.adapters.ledger.rows import Request
from watership.durable.counters import Count
from watership.durable.ids import RunId, WorkerId
from watership.durable.writes import Renew
from watership.fleet.deployment import Deployment, DeploymentState
from watership.fleet.intake import IntakeState

_deployment = msgspec.json.Decoder(Deployment)

_FORGET = """
DELETE FROM requests WHERE rowid IN (SELECT rowid FROM requests WHERE at <= ? ORDER BY at, rowid LIMIT ?)"""
_INJECTED = "SELECT submission FROM json_each(?) AS wanted CROSS JOIN injections ON submission = wanted.value"
_COUNTS = """
SELECT name, reserved, spent FROM counters WHERE name IN (SELECT value FROM json_each(?)) ORDER BY name"""
_PRESENT = """
INSERT INTO workers (id, deployment, pool, slots, seen_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
SET deployment = excluded.deployment, pool = excluded.pool, slots = excluded.slots, seen_at = excluded.seen_at"""
_PUT_DEPLOYMENT = """
INSERT INTO deployments (id, state, created_at, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
SET state = excluded.state, created_at = excluded.created_at, body = excluded.body"""


class BookTable:
    """BookRows over SQLite. Rare enough to be written at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._intake: IntakeState | None = None
        self._not_injected: set[RunId] = set()
        """Submissions that were looked for and were not injected."""

    def look_up_injections(self, submissions: list[RunId]) -> None:
        """Find out in one go which of these were injected."""
        self._not_injected.update(submissions)
        rows = self._db.execute(_INJECTED, (msgspec.json.encode(submissions),)).fetchall()
        self._not_injected.difference_update(row[0] for row in rows)

    def request(self, scope: str, key: str) -> Request | None:
        query = "SELECT hash, run_id, at FROM requests WHERE scope = ? AND key = ?"
        row = self._db.execute(query, (scope, key)).fetchone()
        if row is None:
            return None
        return Request(scope=scope, key=key, hash=row[0], run_id=RunId(row[1]), at=moment(row[2]))

    def put_request(self, request: Request) -> None:
        row = (request.scope, request.key, request.hash, request.run_id, micros(request.at))
        self._db.execute("INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?)", row)

    def forget_requests(self, before: datetime, limit: int) -> None:
        self._db.execute(_FORGET, (micros(before), limit))

    def injected(self, submission: RunId) -> RunId | None:
        if submission in self._not_injected:
            return None
        row = self._db.execute("SELECT run_id FROM injections WHERE submission = ?", (submission,)).fetchone()
        return None if row is None else RunId(row[0])

    def put_injected(self, submission: RunId, into: RunId) -> None:
        self._not_injected.discard(submission)
        self._db.execute("INSERT INTO injections VALUES (?, ?)", (submission, into))

    def put_worker(self, renewal: Renew, seen_at: datetime) -> None:
        row = (renewal.worker, renewal.deployment, renewal.pool, renewal.slots, micros(seen_at))
        self._db.execute(_PRESENT, row)

    def drop_worker(self, worker: WorkerId) -> None:
        self._db.execute("DELETE FROM workers WHERE id = ?", (worker,))

    def gone(self, worker: WorkerId) -> bool:
        return True  # a file's lock ends with its process, which does not come back

    def forget_workers(self, before: datetime) -> None:
        self._db.execute("DELETE FROM workers WHERE seen_at <= ?", (micros(before),))

    def count(self, name: str) -> Count:
        return next(iter(read_counts(self._db, [name])), None) or Count(name=name)

    def put_count(self, count: Count) -> None:
        row = (count.name, count.reserved, count.spent)
        self._db.execute("INSERT OR REPLACE INTO counters VALUES (?, ?, ?)", row)

    def intake(self) -> IntakeState:
        if self._intake is None:
            self._intake = read_intake(self._db)
        return self._intake

    def put_intake(self, state: IntakeState) -> None:
        self._intake = state
        row = intake_row(state)
        self._db.execute(
            "UPDATE intake SET weights = ?, epoch = ?, until = ?, last_safe = ?, readonly = ?, paused = ?",
            row,
        )


def read_intake(db: sqlite3.Connection) -> IntakeState:
    row = db.execute("SELECT weights, epoch, until, last_safe, readonly, paused FROM intake").fetchone()
    return intake_of(row)


def read_counts(db: sqlite3.Connection, names: Sequence[str]) -> list[Count]:
    rows = db.execute(_COUNTS, (msgspec.json.encode(names),)).fetchall()
    return [Count(name=name, reserved=reserved, spent=spent) for name, reserved, spent in rows]


def put_deployment(db: sqlite3.Connection, deployment: Deployment) -> None:
    body = msgspec.json.encode(deployment)
    row = (deployment.id, deployment.state.value, micros(deployment.created_at), body)
    db.execute(_PUT_DEPLOYMENT, row)


def read_deployments(db: sqlite3.Connection) -> list[Deployment]:
    query = "SELECT body FROM deployments WHERE state <> ? ORDER BY created_at, id"
    return [_deployment.decode(row[0]) for row in db.execute(query, (DeploymentState.RETIRED.value,))]
