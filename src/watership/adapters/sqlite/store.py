"""The SQLite store: one writer and one reader per process, each a connection on a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self

from watership.adapters.ledger import commit, flags, intake
from watership.adapters.sqlite import books, journal, queries
from watership.adapters.sqlite.books import BookTable
from watership.adapters.sqlite.connection import ConnectionThread, connect, immediate, translated
from watership.adapters.sqlite.flags import FlagTable, read_flags
from watership.adapters.sqlite.journal import JournalTable
from watership.adapters.sqlite.runs import RunTable
from watership.adapters.sqlite.schema import prepare, refuse_network
from watership.durable.clock import Clock, SystemClock
from watership.durable.counters import Count
from watership.durable.events import Entry
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import Backlog, Cohort, RunFilter, RunPage, WorkerPresence
from watership.durable.run import Run, Signal
from watership.durable.states import RunState
from watership.durable.writes import Append, Submit, Write, Written
from watership.errors import Fenced, Unavailable
from watership.fleet.deployment import Deployment
from watership.fleet.flags import Flag, FlagChange
from watership.fleet.intake import IntakeState, Weights

MANY = 4
"""Writes from which on one search for all of them is cheaper than one for each."""


class SQLiteRows(RunTable, JournalTable, BookTable):
    """All tables, for the length of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        RunTable.__init__(self, connection)
        JournalTable.__init__(self, connection)
        BookTable.__init__(self, connection)

    def look_up(self, writes: Sequence[Write]) -> None:
        """Read at once what the transaction will ask for one by one."""
        appends = [write for write in writes if isinstance(write, Append)]
        submits = [write.run_id for write in writes if isinstance(write, Submit)]
        if len(appends) + len(submits) < MANY:
            return
        self.look_up_runs([*(write.run_id for write in appends), *submits])
        self.look_up_appends([(write.run_id, write.entry_id) for write in appends])
        self.look_up_injections(submits)

    def flush(self) -> None:
        self.flush_runs()
        self.flush_journals()


class SQLiteStore:
    """Store, Runs, Intake, Flags and Deployments in one file. Open it with `open`, and close it."""

    def __init__(self, writer: ConnectionThread, reader: ConnectionThread, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock

    @classmethod
    async def open(cls, path: Path | str, *, clock: Clock | None = None) -> Self:
        """Open the file, making or migrating it where needed.

        Raises BadInput on a network filesystem, Conflict on a schema of a newer build, Unavailable otherwise.
        """
        clock = clock or SystemClock()
        writer, reader = await asyncio.to_thread(_connections, Path(path), clock.now())
        return cls(
            ConnectionThread(writer, "sqlite-writer"), ConnectionThread(reader, "sqlite-reader"), clock
        )

    async def close(self) -> None:
        """Finish the writes that were begun and close the file. Closing twice is closing once."""
        await self._reader.close()
        await self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def write(self, writes: Sequence[Write]) -> Written:
        return await self._writer.run(partial(self._commit, tuple(writes)))

    def _commit(self, writes: Sequence[Write], db: sqlite3.Connection) -> Written:
        with immediate(db):
            rows = SQLiteRows(db)
            rows.look_up(writes)
            # The time is taken once the write lock is held, so that it does not run backwards between processes.
            written = commit(rows, writes, self._clock.now())
            rows.flush()
        return written

    # --- queries -----------------------------------------------------------------------------

    async def get(self, run_id: RunId) -> Run | None:
        return await self._reader.run(lambda db: queries.get(db, run_id))

    async def list(self, which: RunFilter, *, limit: int = 50, after: str | None = None) -> RunPage:
        return await self._reader.run(lambda db: queries.page(db, which, limit, after))

    async def journal(self, run_id: RunId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        return await self._reader.run(lambda db: journal.read_journal(db, run_id, after, limit))

    async def inbox(self, run_id: RunId, *, after: int = 0) -> Sequence[Signal]:
        return await self._reader.run(lambda db: journal.read_inbox(db, run_id, after))

    async def census(self) -> dict[tuple[DeploymentId, RunState], int]:
        return await self._reader.run(queries.census)

    async def cohorts(
        self, deployments: Sequence[DeploymentId], *, after: datetime, until: datetime, some: int = 0
    ) -> dict[DeploymentId, Cohort]:
        return await self._reader.run(lambda db: queries.cohorts(db, deployments, after, until, some))

    async def workers(self) -> Sequence[WorkerPresence]:
        return await self._reader.run(queries.workers)

    async def counts(self, names: Sequence[str]) -> Sequence[Count]:
        return await self._reader.run(lambda db: books.read_counts(db, names))

    async def late(self, *, limit: int) -> Sequence[RunId]:
        now = self._clock.now()
        return await self._reader.run(lambda db: queries.late(db, now, limit))

    async def next_wake(self, deployment: DeploymentId, pool: str) -> datetime | None:
        return await self._reader.run(lambda db: queries.next_wake(db, deployment, pool))

    async def backlog(self, deployments: Sequence[DeploymentId], *, limit: int) -> Backlog:
        now = self._clock.now()
        return await self._reader.run(lambda db: queries.backlog(db, deployments, limit, now))

    async def ping(self) -> None:
        """Takes and releases the write lock: a store that cannot be written to does not answer."""
        await self._writer.run(_touch)

    # --- the intake --------------------------------------------------------------------------

    async def read(self) -> IntakeState:
        state = await self._reader.run(books.read_intake)
        if intake.has_tripped(state, self._clock.now()):
            return await self._writer.run(self._current_intake)
        return state

    async def now(self) -> datetime:
        return self._clock.now()

    async def set_weights(
        self,
        weights: Weights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: Weights | None = None,
    ) -> IntakeState:
        def change(db: sqlite3.Connection) -> IntakeState | Fenced:
            with immediate(db):
                return intake.set_weights(
                    BookTable(db),
                    self._clock.now(),
                    weights,
                    epoch=epoch,
                    hold_seconds=hold_seconds,
                    last_safe=last_safe,
                )

        outcome = await self._writer.run(change)
        if isinstance(outcome, Fenced):
            raise outcome
        return outcome

    async def set_readonly(self, readonly: bool, *, by: str = "watership", epoch: int | None = None) -> None:
        def change(db: sqlite3.Connection) -> None:
            with immediate(db):
                intake.require(BookTable(db), self._clock.now(), epoch)
                flags.set_readonly(FlagTable(db), BookTable(db), self._clock.now(), readonly, by)

        await self._writer.run(change)

    def _current_intake(self, db: sqlite3.Connection) -> IntakeState:
        with immediate(db):
            return intake.current(BookTable(db), self._clock.now())

    # --- flags -------------------------------------------------------------------------------

    async def flags(self) -> Sequence[Flag]:
        return await self._reader.run(read_flags)

    async def set_flag(self, flag: Flag, *, expected: int | None = None) -> Flag:
        def change(db: sqlite3.Connection) -> Flag:
            with immediate(db):
                return flags.set_flag(FlagTable(db), BookTable(db), self._clock.now(), flag, expected)

        return await self._writer.run(change)

    async def flag_changes(self, name: str | None = None, *, limit: int = 50) -> Sequence[FlagChange]:
        return await self._reader.run(lambda db: FlagTable(db).changes(name, limit))

    # --- deployments -------------------------------------------------------------------------

    async def put(self, deployment: Deployment, *, epoch: int | None = None) -> None:
        def change(db: sqlite3.Connection) -> None:
            with immediate(db):
                intake.require(BookTable(db), self._clock.now(), epoch)
                books.put_deployment(db, deployment)

        await self._writer.run(change)

    async def all(self) -> Sequence[Deployment]:
        return await self._reader.run(books.read_deployments)


def _connections(path: Path, now: datetime) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """The writer's and the reader's connection to a file with our schema."""
    refuse_network(path.parent)
    if not path.parent.is_dir():
        raise Unavailable(f"There is no folder {path.parent}.", fix="Make it first.")
    with translated():
        writer = connect(path)
        try:
            prepare(writer, now)
            return writer, connect(path, readonly=True)
        except BaseException:
            writer.close()
            raise


def _touch(db: sqlite3.Connection) -> None:
    with immediate(db):
        db.execute("SELECT one FROM intake").fetchone()
