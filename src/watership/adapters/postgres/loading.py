"""What the ledger needs is read into the sheet, each kind in one statement, rows under their locks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, assert_never

import msgspec
from msgspec.structs import replace

from watership.adapters.ledger.bounds import DUE_WINDOW
from watership.adapters.ledger.columns import WIDTH, Row, intake_of, micros, moment, run_of, signal_of
from watership.adapters.ledger.rows import Request
from watership.adapters.postgres import statements
from watership.adapters.postgres.arrays import texts
from watership.adapters.postgres.locks import (
    INTAKE_KEY,
    conversation_key,
    lock_exclusively,
    lock_shared,
    request_key,
    worker_key,
)
from watership.adapters.postgres.needs import (
    ChildrenNeed,
    ConversationNeed,
    CountNeed,
    DueNeed,
    EntryNeed,
    FreeNeed,
    GoneNeed,
    HistoryNeed,
    InjectionNeed,
    IntakeNeed,
    LeasedNeed,
    Need,
    OpenChildrenNeed,
    RequestNeed,
    RunNeed,
    SignalNeed,
    UnclaimedNeed,
)
from watership.adapters.postgres.remembered import Memory
from watership.adapters.postgres.runs import Turns
from watership.adapters.postgres.sheet import Sheet
from watership.durable.clock import Clock
from watership.durable.counters import Count
from watership.durable.events import load
from watership.durable.ids import DeploymentId, RunId

HEADS = 2
"""Queued runs of a conversation that are loaded at first: the next one, and one more for a batch that ends two."""


SERIAL, REVISION, INPUT = WIDTH, WIDTH + 1, WIDTH + 2
"""Where they stand in the rows of `statements.ROW`, and of those with the input."""


class Connection(Protocol):
    """What a transaction needs of the driver's connection."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Row]: ...

    async def execute(self, query: str) -> str: ...


class Loader:
    """Fills one sheet through one connection, inside one transaction."""

    def __init__(
        self, db: Connection, sheet: Sheet, clock: Clock | None, memory: Memory | None = None
    ) -> None:
        self._db = db
        self._memory = memory or Memory()
        self._sheet = sheet
        self._clock = clock
        self._now = 0

    def now(self) -> datetime:
        """The time by the database's clock when the last row was locked, or by the clock that was given instead."""
        return self._clock.now() if self._clock is not None else moment(self._now)

    # --- many at once -----------------------------------------------------------------------------------------

    async def lock_runs(self, wanted: Sequence[RunId]) -> None:
        """Lock and read these runs, in the order of their ids as every transaction does; and look at the clock."""
        rows = await self._db.fetch(statements.LOCK, texts(wanted))
        self._note_time(rows[-1][2])
        unread: list[RunId] = []
        for run_id, revision, _ in rows:
            known = self._memory.runs.get(run_id, revision)
            if known is not None:
                self._sheet.know(*known)
            elif run_id is not None:
                unread.append(run_id)
        if unread:
            self._know(await self._db.fetch(statements.READ, texts(unread)))
        known_now = self._sheet.now
        self._sheet.absent.update(run_id for run_id in wanted if run_id not in known_now)

    async def read_facts(
        self,
        injections: Sequence[RunId],
        requests: Sequence[tuple[str, str]],
        conversations: Sequence[tuple[str, str]],
        *,
        heads: int = HEADS,
        intake: bool = False,
    ) -> list[RunId]:
        """Read what advisory locks keep still; the runs of the conversations that are to be locked next.

        `intake`: the lock of the intake is held, so that its row may be relied on.
        """
        sheet = self._sheet
        scopes, keys = [scope for scope, _ in requests], [key for _, key in requests]
        tenants, names = [tenant for tenant, _ in conversations], [name for _, name in conversations]
        (facts,) = await self._db.fetch(statements.FACTS, injections, scopes, keys, tenants, names, heads)
        self._note_time(facts[0])
        if intake and not sheet.intakes:
            sheet.intakes.append(intake_of(facts[1:7]))
        sheet.injections.update(dict.fromkeys(injections) | dict(facts[7]))
        sheet.requests.update(dict.fromkeys(requests))
        for scope, key, request, run_id, at in facts[8]:
            sheet.requests[scope, key] = Request(
                scope=scope, key=key, hash=request, run_id=run_id, at=moment(int(at))
            )
        return self._note_turns(conversations, facts[9])

    async def see(self, wanted: Sequence[RunId]) -> None:
        """Read these runs with their histories, and the intake's row, into an empty sheet; lock nothing."""
        rows = await self._db.fetch(statements.SEEN, texts(wanted))
        seen_at, *intake = rows[0][INPUT + 1 :]
        self._note_time(seen_at)
        self._sheet.intakes.append(intake_of(tuple(intake)))
        await self._know_whole([row for row in rows if row[0] is not None])
        self._sheet.absent.update(run_id for run_id in wanted if run_id not in self._sheet.now)

    async def lock_free(self, wanted: Sequence[RunId]) -> None:
        """Lock and read, with their histories, those that nobody else is writing."""
        rows = await self._db.fetch(statements.FREE, texts(wanted))
        await self._know_whole(rows)
        self._sheet.busy.update(run_id for run_id in wanted if run_id not in self._sheet.now)

    async def lock_counts(self, names: Sequence[str]) -> None:
        """Lock and read these counters, in the order of their names; who was never counted on is made first."""
        wanted = sorted(set(names))
        rows = await self._db.fetch(statements.COUNTS, wanted)
        if len(rows) < len(wanted):
            await self._db.fetch(statements.NEW_COUNTS, wanted)
            rows = await self._db.fetch(statements.COUNTS, wanted)
        for name, reserved, spent in rows:
            self._sheet.counters[name] = Count(name=name, reserved=reserved, spent=spent)

    async def scan(self, deployment: DeploymentId, pool: str, limit: int) -> None:
        """Lock and read, with their histories, up to `limit` runs of each kind that may be claimed."""
        paused = self._sheet.intake().paused
        # Mostly nothing is paused: then nothing is asked about it either.
        statement, held = (statements.DUE_BUT_PAUSED, (list(paused),)) if paused else (statements.DUE, ())
        rows = await self._db.fetch(statement, deployment, pool, limit, micros(self.now()), DUE_WINDOW, *held)
        await self._know_whole(rows)
        self._sheet.note_scan(deployment, pool, limit, [RunId(row[0]) for row in rows])

    # --- what was not foreseen --------------------------------------------------------------------------------

    async def load(self, need: Need) -> None:
        """Read one thing that a write turned out to need."""
        match need:
            case RunNeed(run_id):
                await self.lock_runs([run_id])
            case FreeNeed(runs):
                await self.lock_free(runs)
            case DueNeed(deployment, pool, limit):
                await self.scan(deployment, pool, limit)
            case HistoryNeed(run_id):
                await self._read_history(run_id)
            case ConversationNeed(tenant, conversation):
                await self._read_conversation(tenant, conversation)
            case RequestNeed(scope, key):
                await self._db.execute(lock_exclusively([request_key(scope, key)]))
                await self.read_facts((), [(scope, key)], ())
            case InjectionNeed(submission):
                await self.read_facts([submission], (), ())
            case IntakeNeed():
                await self._db.execute(lock_shared(INTAKE_KEY))
                await self.read_facts((), (), (), intake=True)
            case GoneNeed(worker):
                gone = await self._value(statements.GONE, worker_key(worker), worker)
                self._sheet.gone_workers[worker] = gone
            case EntryNeed() | SignalNeed() | ChildrenNeed() | CountNeed():
                await self._look(need)
            case OpenChildrenNeed() | LeasedNeed() | UnclaimedNeed():
                await self._search(need)
            case _:
                assert_never(need)

    async def _look(self, need: EntryNeed | SignalNeed | ChildrenNeed | CountNeed) -> None:
        sheet = self._sheet
        match need:
            case CountNeed(name):
                await self.lock_counts([name])
            case EntryNeed(run_id, entry_id):
                sheet.appends[run_id, entry_id] = await self._value(statements.ENTRY, run_id, entry_id)
            case SignalNeed(run_id, signal_id):
                sheet.signal_ids[run_id, signal_id] = await self._value(statements.SIGNAL, run_id, signal_id)
            case ChildrenNeed(parent):
                sheet.counts[parent] = await self._value(statements.CHILDREN, parent)
            case _:
                assert_never(need)

    async def _search(self, need: OpenChildrenNeed | LeasedNeed | UnclaimedNeed) -> None:
        match need:
            case OpenChildrenNeed(parent):
                self._know(await self._db.fetch(statements.OPEN_CHILDREN, parent))
            case LeasedNeed(worker):
                self._know(await self._db.fetch(statements.LEASED, worker))
            case UnclaimedNeed(deployment):
                self._know(await self._db.fetch(statements.UNCLAIMED, deployment))
            case _:
                assert_never(need)
        self._sheet.loaded.add(need)

    async def _read_history(self, run_id: RunId) -> None:
        sheet = self._sheet
        written = msgspec.Raw(await self._value(statements.INPUT, run_id))
        sheet.now[run_id] = replace(sheet.now[run_id], input=written)
        await self._read_journals([run_id])
        sheet.complete.add(run_id)

    async def _read_conversation(self, tenant: str, conversation: str) -> None:
        """At once what was not foreseen; again, when more turns pass than were loaded."""
        known = self._sheet.turns.get((tenant, conversation))
        await self._db.execute(lock_exclusively([conversation_key(tenant, conversation)]))
        heads = HEADS if known is None else len(known.heads) + HEADS
        await self.lock_runs(await self.read_facts((), (), [(tenant, conversation)], heads=heads))

    def _note_time(self, micros: int) -> None:
        self._now = micros
        self._memory.clock.note(micros)

    # --- into the sheet ---------------------------------------------------------------------------------------

    async def _value(self, query: str, *args: object) -> Any:
        (row,) = await self._db.fetch(query, *args)
        return row[0]

    def _know(self, rows: Sequence[Row]) -> None:
        for row in rows:
            run = run_of(row)
            self._sheet.absent.discard(run.id)
            self._sheet.know(run, row[SERIAL], row[REVISION])

    async def _know_whole(self, rows: Sequence[Row]) -> None:
        """Rows with their inputs. Their histories are read only now: a row that was just locked may have grown."""
        sheet = self._sheet
        new = [row for row in rows if row[0] not in sheet.now]
        for row in new:
            sheet.absent.discard(row[0])
            sheet.know(run_of(row, row[INPUT]), row[SERIAL], row[REVISION])
        with_history = [row[0] for row in new if sheet.now[row[0]].seq or sheet.now[row[0]].inbox]
        if with_history:
            await self._read_journals(with_history)
        sheet.complete.update(row[0] for row in new)

    async def _read_journals(self, runs: Sequence[RunId]) -> None:
        sheet = self._sheet
        journals: dict[RunId, list[Any]] = {run_id: [] for run_id in runs}
        inboxes: dict[RunId, list[Any]] = {run_id: [] for run_id in runs}
        for run_id, version, event in await self._db.fetch(statements.JOURNALS, texts(runs)):
            journals[run_id].append(load(version, event))
        for row in await self._db.fetch(statements.INBOXES, texts(runs)):
            inboxes[row[0]].append(signal_of(row[0], row[1:]))
        sheet.journals.update((run_id, tuple(events)) for run_id, events in journals.items())
        sheet.inboxes.update((run_id, tuple(signals)) for run_id, signals in inboxes.items())

    def _note_turns(
        self, conversations: Sequence[tuple[str, str]], told: Sequence[Sequence[str]]
    ) -> list[RunId]:
        members: list[RunId] = []
        turns = [Turns([], 0) for _ in conversations]
        for number, kind, value in told:
            turn = turns[int(number) - 1]
            if kind == "queued":
                turn.queued = int(value)
                continue
            members.append(RunId(value))
            if kind == "head":
                turn.heads.append(RunId(value))
        self._sheet.turns.update(zip(conversations, turns, strict=True))
        return members
