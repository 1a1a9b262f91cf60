"""What stands beside the runs, inside one transaction: requests, injected messages, workers, counters, the intake."""

from __future__ import annotations

from datetime import datetime

from watership.adapters.ledger.rows import Request
from watership.adapters.postgres.needs import (
    CountNeed,
    GoneNeed,
    InjectionNeed,
    IntakeNeed,
    NotLoaded,
    RequestNeed,
)
from watership.adapters.postgres.undo import Undo
from watership.durable.counters import Count
from watership.durable.ids import RunId, WorkerId
from watership.durable.writes import Renew
from watership.fleet.intake import IntakeState

FORGET_AT_ONCE = 1_000
"""Old idempotency keys that one transaction removes, at most: more than a batch of the committer can bring."""


class BookSheet:
    """BookRows over what was loaded."""

    def __init__(self, undo: Undo) -> None:
        self._undo = undo
        self.requests: dict[tuple[str, str], Request | None] = {}
        self.new_requests: dict[tuple[str, str], Request] = {}
        self.injections: dict[RunId, RunId | None] = {}
        self.new_injections: dict[RunId, RunId] = {}
        self.workers: dict[WorkerId, tuple[Renew, datetime] | None] = {}
        """Who was heard of, and None for who was buried."""
        self.gone_workers: dict[WorkerId, bool] = {}
        self.workers_before: datetime | None = None
        self.requests_before: tuple[datetime, int] | None = None
        """Until when old rows go, and how many of them: each new key adds to the number."""
        self.counters: dict[str, Count] = {}
        self.new_counters: dict[str, Count] = {}
        self.intakes: list[IntakeState] = []
        """The row as it was read, and then every state it was given."""

    @property
    def has_new_books(self) -> bool:
        """Whether anything of this was changed that the database does not hold yet."""
        return bool(
            self.new_requests
            or self.new_injections
            or self.workers
            or self.workers_before
            or self.requests_before
            or self.new_counters
            or len(self.intakes) > 1
        )

    def request(self, scope: str, key: str) -> Request | None:
        if (scope, key) not in self.requests:
            raise NotLoaded(RequestNeed(scope, key))
        return self.requests[scope, key]

    def put_request(self, request: Request) -> None:
        self._undo.set(self.requests, (request.scope, request.key), request)
        self._undo.set(self.new_requests, (request.scope, request.key), request)

    def forget_requests(self, before: datetime, limit: int) -> None:
        already = 0 if self.requests_before is None else self.requests_before[1]
        self.requests_before = (before, min(already + limit, FORGET_AT_ONCE))

    def injected(self, submission: RunId) -> RunId | None:
        if submission not in self.injections:
            raise NotLoaded(InjectionNeed(submission))
        return self.injections[submission]

    def put_injected(self, submission: RunId, into: RunId) -> None:
        self._undo.set(self.injections, submission, into)
        self._undo.set(self.new_injections, submission, into)

    def put_worker(self, renewal: Renew, seen_at: datetime) -> None:
        self._undo.set(self.workers, renewal.worker, (renewal, seen_at))

    def drop_worker(self, worker: WorkerId) -> None:
        self._undo.set(self.workers, worker, None)

    def gone(self, worker: WorkerId) -> bool:
        if worker not in self.gone_workers:
            raise NotLoaded(GoneNeed(worker))
        return self.gone_workers[worker]

    def forget_workers(self, before: datetime) -> None:
        self.workers_before = before

    def count(self, name: str) -> Count:
        if name not in self.counters:
            raise NotLoaded(CountNeed(name))
        return self.counters[name]

    def put_count(self, count: Count) -> None:
        self._undo.set(self.counters, count.name, count)
        self._undo.set(self.new_counters, count.name, count)

    def intake(self) -> IntakeState:
        if not self.intakes:
            raise NotLoaded(IntakeNeed())
        return self.intakes[-1]

    def put_intake(self, state: IntakeState) -> None:
        self._undo.append(self.intakes, state)
