"""The PostgreSQL store: a transaction for each batch of writes, and queries on connections of their own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Self, TypeVar

import asyncpg
import msgspec

from watership.adapters.ledger import flags as ledger_flags
from watership.adapters.ledger import intake
from watership.adapters.ledger.columns import intake_of, micros, moment
from watership.adapters.postgres import queries
from watership.adapters.postgres.flags import FlagSheet, read_changes
from watership.adapters.postgres.flush import flush
from watership.adapters.postgres.loading import Loader
from watership.adapters.postgres.locks import INTAKE_KEY, lock_exclusively
from watership.adapters.postgres.naming import Births
from watership.adapters.postgres.outbox import PostgresOutbox
from watership.adapters.postgres.pool import Pool, Session
from watership.adapters.postgres.remembered import Remembered
from watership.adapters.postgres.schema import check, read_status
from watership.adapters.postgres.sheet import Sheet
from watership.adapters.postgres.statements import NOW
from watership.adapters.postgres.transaction import Memory, write
from watership.adapters.postgres.translation import Again, again, translation
from watership.durable.clock import Clock
from watership.durable.events import Entry
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import Backlog, RunFilter, RunPage, WorkerPresence
from watership.durable.run import Run, Signal
from watership.durable.states import RunState
from watership.durable.writes import Write, Written
from watership.errors import Fenced, Unavailable
from watership.fleet.deployment import Deployment, DeploymentState
from watership.fleet.flags import Flag, FlagChange
from watership.fleet.intake import IntakeState, Weights

WRITERS = 2
"""Connections that write: while one batch is being committed another can be built."""

READERS = 4
"""Connections that answer queries."""

WRITE_SECONDS = 3.0
"""How long one transaction may take before its connection is cut: far longer than the largest batch takes.

The committer tries for longer than this, so that what met a dead link is written by another one; and the last of its
tries, making a connection included, ends within a lease.
"""

ROLL_BACK_SECONDS = 2.0
"""How long it may take to say that a transaction is undone. Cutting the connection says the same."""

TRIES = 5
"""How often a transaction that met a deadlock, or a row that was there already, is done again."""

AGAIN_SECONDS = 0.02
"""Up to which pause before it is done again, so that two which met do not meet again."""

CONNECT_TRIES, CONNECT_PAUSE = 20, 0.5
"""How often, and after how many seconds, a process that starts looks for its database: they may start together."""

_INTAKE = f"SELECT weights, epoch, until, last_safe, readonly, {NOW} FROM intake"  # noqa: S608
_PUT_DEPLOYMENT = """
INSERT INTO deployments (id, state, created_at, body) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE
SET state = excluded.state, created_at = excluded.created_at, body = excluded.body"""
_DEPLOYMENTS = "SELECT body FROM deployments WHERE state <> $1 ORDER BY created_at, id"
T = TypeVar("T")
_deployment = msgspec.json.Decoder(Deployment)


class PostgresStore:
    """Store, Runs, Intake, Flags and Deployments in one database. Open it with `open`, and close it."""

    def __init__(
        self,
        writers: Pool,
        readers: Pool,
        outbox: Pool,
        clock: Clock | None,
        tell: frozenset[RunState] | None,
    ) -> None:
        self._writers = writers
        self._letters = outbox
        self._readers = readers
        self._clock = clock
        self._tell = tell
        self._memory = Memory(Births(), Remembered())
        writers.on_loss = self._memory.rows.forget
        self.outbox = PostgresOutbox(outbox)
        """The letters that the transactions left; empty in a store without an outbox."""

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock | None = None,
        outbox: bool = False,
        tell: frozenset[RunState] = frozenset(),
        writers: int = WRITERS,
        readers: int = READERS,
        statement_cache_size: int = 200,
        name: str = "watership",
    ) -> Self:
        """Connect to a database with our schema; a database that is still starting is waited for.

        Without `clock` the time is the database's. With `outbox` every transaction that made runs READY, ended one
        that has a `reply_to`, or brought one into a state of `tell`, leaves a letter for the broker.
        Raises Conflict when the schema does not fit this build, Unavailable when the database does not answer.
        """

        def pool(size: int, role: str) -> Pool:
            return Pool(url, size=size, name=f"{name} {role}", statement_cache_size=statement_cache_size)

        store = cls(
            pool(writers, "writer"),
            pool(readers, "reader"),
            pool(1, "outbox"),
            clock,
            tell if outbox else None,
        )
        try:
            await store._find()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Close all connections. Closing twice is closing once."""
        await self._readers.close()
        await self._letters.close()
        await self._writers.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _find(self) -> None:
        for left in reversed(range(CONNECT_TRIES)):
            try:
                async with self._readers.session() as db:
                    status = await read_status(db)
            except Unavailable:
                if not left:
                    raise
                await asyncio.sleep(CONNECT_PAUSE)
            else:
                return check(status)
        raise AssertionError("the last try returns or raises")

    async def write(self, writes: Sequence[Write]) -> Written:
        async def work(db: Session, sure: bool) -> tuple[Written, Sheet]:
            return await write(db, writes, self._memory, clock=self._clock, tell=self._tell, sure=sure)

        written, sheet = await self._transact(work)
        self._memory.rows.note(sheet.remembered())
        return written

    async def _transact(self, work: Callable[[Session, bool], Awaitable[T]]) -> T:
        """Commit what `work` does from BEGIN on; do it again where it met another transaction.

        Its second argument: whether it must look for everything that could be there already.
        """
        sure = False
        for left in reversed(range(TRIES)):
            try:
                return await self._transact_once(work, sure)
            except Again as repeat:
                if not left or (repeat.known and sure):
                    raise translation(repeat.reason) from repeat.reason
                sure = sure or repeat.known
                if not repeat.known:
                    await asyncio.sleep(random.uniform(0, AGAIN_SECONDS))
        raise AssertionError("the last try returns or raises")

    async def _transact_once(self, work: Callable[[Session, bool], Awaitable[T]], sure: bool) -> T:
        async with self._writers.session() as db:
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    outcome = await work(db, sure)
                    await _commit(db)
            except TimeoutError:
                db.terminate()  # who does not answer need not be asked to undo it either
                raise
            except asyncpg.PostgresError as reason:
                await _roll_back(db)
                repeat = again(reason)
                if repeat is not None:
                    raise repeat from reason
                raise
            except Exception:
                await _roll_back(db)
                raise
        return outcome

    # --- queries -----------------------------------------------------------------------------

    async def get(self, run_id: RunId) -> Run | None:
        async with self._readers.session() as db:
            return await queries.get(db, run_id)

    async def list(self, which: RunFilter, *, limit: int = 50, after: str | None = None) -> RunPage:
        async with self._readers.session() as db:
            return await queries.page(db, which, limit, after)

    async def journal(self, run_id: RunId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        async with self._readers.session() as db:
            return await queries.journal(db, run_id, after, limit)

    async def inbox(self, run_id: RunId, *, after: int = 0) -> Sequence[Signal]:
        async with self._readers.session() as db:
            return await queries.inbox(db, run_id, after)

    async def census(self) -> dict[tuple[DeploymentId, RunState], int]:
        async with self._readers.session() as db:
            return await queries.census(db)

    async def workers(self) -> Sequence[WorkerPresence]:
        async with self._readers.session() as db:
            return await queries.workers(db)

    async def next_wake(self, deployment: DeploymentId, pool: str) -> datetime | None:
        async with self._readers.session() as db:
            return await queries.next_wake(db, deployment, pool)

    async def backlog(self, deployments: Sequence[DeploymentId], *, limit: int) -> Backlog:
        async with self._readers.session() as db:
            now = None if self._clock is None else self._clock.now()
            return await queries.backlog(db, deployments, limit, now)

    async def ping(self) -> None:
        """One round trip on a connection that writes: a store that cannot be written to does not answer."""
        async with self._writers.session() as db:
            if await queries.only_reads(db):
                raise Unavailable("The database takes no writes: it is a standby, or became one.")

    async def notify(self, channel: str, words: str) -> None:
        """Tell whoever listens to `channel`; lost where nobody does."""
        async with self._writers.session() as db:
            await db.execute("SELECT pg_notify($1, $2)", channel, words)

    # --- the intake --------------------------------------------------------------------------

    async def read(self) -> IntakeState:
        async with self._readers.session() as db:
            row = await db.fetchrow(_INTAKE)
        state, now = intake_of(row), moment(row[5])
        if intake.has_tripped(state, now if self._clock is None else self._clock.now()):
            return await self._change_intake(intake.current)
        return state

    async def now(self) -> datetime:
        if self._clock is not None:
            return self._clock.now()
        async with self._readers.session() as db:
            return moment(await db.fetchval(f"SELECT {NOW}"))

    async def set_weights(
        self,
        weights: Weights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: Weights | None = None,
    ) -> IntakeState:
        outcome = await self._change_intake(
            lambda sheet, now: intake.set_weights(
                sheet, now, weights, epoch=epoch, hold_seconds=hold_seconds, last_safe=last_safe
            )
        )
        if isinstance(outcome, Fenced):
            raise outcome
        return outcome

    async def set_readonly(self, readonly: bool, *, by: str = "watership") -> None:
        def change(sheet: Sheet, now: datetime, flags: FlagSheet) -> None:
            ledger_flags.set_readonly(flags, sheet, now, readonly, by)

        await self._change_flags(change)

    async def _change_intake(self, change: Callable[[Sheet, datetime], T]) -> T:
        return await self._change_flags(lambda sheet, now, _: change(sheet, now), loads=False)

    # --- flags -------------------------------------------------------------------------------

    async def flags(self) -> Sequence[Flag]:
        async with self._readers.session() as db, db.transaction(isolation="repeatable_read", readonly=True):
            sheet = Sheet(sure=True)
            await Loader(db, sheet, self._clock).read_facts((), (), (), intake=True)
            return (await FlagSheet.load(db)).all(sheet)

    async def set_flag(self, flag: Flag, *, expected: int | None = None) -> Flag:
        def change(sheet: Sheet, now: datetime, flags: FlagSheet) -> Flag:
            return ledger_flags.set_flag(flags, sheet, now, flag, expected)

        return await self._change_flags(change)

    async def flag_changes(self, name: str | None = None, *, limit: int = 50) -> Sequence[FlagChange]:
        async with self._readers.session() as db:
            return await read_changes(db, name, limit)

    async def _change_flags(
        self, change: Callable[[Sheet, datetime, FlagSheet], T], *, loads: bool = True
    ) -> T:
        """Read the intake's row while nobody pins by it, and the flags; write what became of them."""

        async def work(db: Session, sure: bool) -> T:
            await db.execute(f"BEGIN; {lock_exclusively([INTAKE_KEY])}")
            sheet = Sheet(sure=True)
            loader = Loader(db, sheet, self._clock)
            await loader.read_facts((), (), (), intake=True)
            flags = await FlagSheet.load(db) if loads else FlagSheet((), (), ())
            outcome = change(sheet, loader.now(), flags)
            await flush(db, sheet)
            await flags.flush(db)
            return outcome

        return await self._transact(work)

    # --- deployments -------------------------------------------------------------------------

    async def put(self, deployment: Deployment) -> None:
        body = msgspec.json.encode(deployment)
        created_at = micros(deployment.created_at)
        async with self._writers.session() as db:
            await db.execute(_PUT_DEPLOYMENT, deployment.id, deployment.state.value, created_at, body)

    async def all(self) -> Sequence[Deployment]:
        async with self._readers.session() as db:
            rows = await db.fetch(_DEPLOYMENTS, DeploymentState.RETIRED.value)
        return [_deployment.decode(row[0]) for row in rows]


async def _commit(db: Session) -> None:
    told = await db.execute("COMMIT")
    assert told == "COMMIT", "a transaction that had failed was to be committed"


async def _roll_back(db: Session) -> None:
    """Undo the transaction. Where that cannot be said any more, the connection is cut, which undoes it too."""
    if db.is_closed() or not db.is_in_transaction():
        return
    try:
        await db.execute("ROLLBACK", timeout=ROLL_BACK_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        db.terminate()
