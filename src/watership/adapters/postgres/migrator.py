"""The application's PostgreSQL is migrated by steps that never make others wait long, and rehearsed on a copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, TypeVar

import asyncpg
import msgspec

from watership.adapters.postgres.holding import LockWatch
from watership.adapters.postgres.locks import APPLICATION_KEY
from watership.adapters.postgres.pool import Session
from watership.adapters.postgres.scratch import COPY_BYTES, COPY_SECONDS, scratch
from watership.adapters.postgres.script import Script, read_script, shortened
from watership.adapters.postgres.shape import VERSIONS, Sums, shape, sums
from watership.adapters.postgres.soundness import faults
from watership.adapters.postgres.squawk import squawked
from watership.adapters.postgres.visit import visit
from watership.adapters.roundtrip import require_alike
from watership.durable.clock import Clock
from watership.errors import BadInput, Conflict, Fenced, Unavailable, WatershipError
from watership.releases.header import batched
from watership.releases.ports import Linted, Migration, Rehearsed
from watership.releases.readiness.rehearsal import Held

LOCK_SECONDS: Final = 1.0
"""How long a step waits for a lock: everybody who comes after it waits behind it. It lets go, and tries again."""

PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between two attempts at a lock, in which whoever queued behind gets through."""

STATEMENT_SECONDS: Final = 300.0
"""Of one statement. What takes longer holds its locks as long, and is no migration for a release."""

OUTSIDE_SECONDS: Final = 3600.0
"""Of an index that is built CONCURRENTLY: nobody waits for that."""

FROZEN: Final = "5s"
"""A process that is frozen inside of a transaction must not keep its locks: it may never wake up."""

_CREATE: Final = f"""
CREATE TABLE IF NOT EXISTS {VERSIONS} (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('forward', 'backward', 'begun')),
    epoch BIGINT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    locks TEXT,
    rows BIGINT
)"""
_COUNTS: Final = f"ALTER TABLE {VERSIONS} ADD COLUMN IF NOT EXISTS rows BIGINT"
_THERE: Final = f"SELECT to_regclass('{VERSIONS}') IS NOT NULL"
_EPOCH: Final = f"SELECT coalesce(max(epoch), 0) FROM {VERSIONS}"  # noqa: S608 - our own table's name
_LAST: Final = f"SELECT version FROM {VERSIONS} ORDER BY position DESC LIMIT 1"  # noqa: S608 - the same
_NEWEST: Final = f"SELECT name, direction FROM {VERSIONS} ORDER BY position DESC LIMIT 1"  # noqa: S608 - the same
_RECORD: Final = f"""
INSERT INTO {VERSIONS} (version, name, direction, epoch) VALUES ($1, $2, $3, $4) RETURNING position"""  # noqa: S608
_HELD: Final = f"UPDATE {VERSIONS} SET locks = $2 WHERE position = $1"  # noqa: S608
_LOCKS: Final = f"SELECT locks FROM {VERSIONS} WHERE direction <> 'begun' ORDER BY position DESC LIMIT 1"  # noqa: S608

_FILLED: Final = f"""
UPDATE {VERSIONS} SET rows = coalesce(rows, 0) + $2, epoch = $3
 WHERE position = (SELECT max(position) FROM {VERSIONS} WHERE name = $1 AND direction = 'begun') RETURNING rows"""  # noqa: S608

BATCH_SECONDS: Final = 10.0
"""Of one batch: whoever wants to change its rows waits as long."""

_ROWS: Final = """
SELECT named.name, pg_class.oid::regclass::text, reltuples
  FROM unnest($1::text[]) AS named (name) JOIN pg_class ON pg_class.oid = to_regclass(named.name)"""

_INVALID: Final = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"


REHEARSING: Final = 2**53
"""The epoch on a copy, above every other."""

T = TypeVar("T")


class _Busy(Exception):  # it never leaves the migrator, which tries again
    """A lock was not to be had in time; nothing was changed."""


class _Step(NamedTuple):
    """A migration in one direction."""

    name: str
    start: int
    end: int
    direction: str
    script: Script
    epoch: int
    batch: int

    @classmethod
    def of(cls, migration: Migration, *, forward: bool, epoch: int) -> _Step:
        start, end = (migration.start, migration.end) if forward else (migration.end, migration.start)
        script = read_script(migration.forward if forward else migration.backward, migration.name)
        direction = "forward" if forward else "backward"
        return cls(migration.name, start, end, direction, script, epoch, migration.header.batch)


class PostgresMigrator:
    """Migrator for the database at `url`. A database that no step was applied to is at `base`.

    `url` leads to the server itself: a pooler that shares sessions takes the bounds from them.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        base: int = 0,
        lock_seconds: float = LOCK_SECONDS,
        statement_seconds: float = STATEMENT_SECONDS,
        pauses: Sequence[float] = PAUSES,
        copy_bytes: int = COPY_BYTES,
        copy_seconds: float = COPY_SECONDS,
    ) -> None:
        self._url = url
        self._clock = clock
        self._base = base
        self._lock = lock_seconds
        self._statement = statement_seconds
        self._pauses = tuple(pauses)
        self._most = copy_bytes
        self._copying = copy_seconds

    async def version(self) -> int:
        async with self._visit() as session:
            return await self._present(session)

    async def apply(self, migration: Migration, *, forward: bool, epoch: int) -> int:
        step = _Step.of(migration, forward=forward, epoch=epoch)
        if forward and migration.header.kind == "backfill":
            return await self._filled_forward(migration, step)
        await self._tried(step)
        return step.end

    async def fill(self, migration: Migration, *, epoch: int) -> int:
        step = _Step.of(migration, forward=True, epoch=epoch)
        head = migration.header
        statement = batched(step.script.statements, head, step.name)
        async with self._visit(seconds=BATCH_SECONDS) as session:
            await self._retried(step, lambda: self._counting(session))
            while True:
                changed, rows = await self._retried(step, lambda: self._batch(session, step, statement))
                if not changed:
                    return rows
                await self._clock.sleep(head.pause)

    async def locks(self) -> tuple[Held, ...] | None:
        """The locks that the last step held, and how long; None: it is not known."""
        async with self._visit() as session:
            told = await session.fetchval(_LOCKS) if await session.fetchval(_THERE) else None
        return None if told is None else msgspec.json.decode(told, type=tuple[Held, ...])

    async def rehearse(self, migrations: Sequence[Migration]) -> Rehearsed:
        async with (
            self._visit(seconds=self._copying) as session,
            scratch(session, self._url, most=self._most, seconds=self._copying) as copy,
        ):
            on = PostgresMigrator(copy, self._clock, base=self._base, statement_seconds=self._statement)
            return await on._there_and_back(migrations)

    async def rows(self, tables: Sequence[str], *, most: int) -> dict[str, int]:
        async with self._visit() as session:
            return {
                row[0]: await _count(session, row[1], row[2], most)
                for row in await session.fetch(_ROWS, tables)
            }

    async def lint(self, migrations: Sequence[Migration]) -> Linted:
        async with self._visit() as session:
            number = int(await session.fetchval("SELECT current_setting('server_version_num')"))
        return await squawked(migrations, version=number // 10_000, rows=self.rows)

    async def integrity(self) -> Sequence[str]:
        async with self._visit() as session:
            return await faults(session)

    async def _filled_forward(self, migration: Migration, step: _Step) -> int:
        """A mark that it has begun, its batches, and the version."""
        async with self._visit() as session:

            async def marked(version: int, direction: str) -> bool:
                async with session.transaction():
                    await self._alone(session)
                    if not await self._wanted(session, step):
                        return False
                    newest = await session.fetchrow(_NEWEST)
                    if newest is None or tuple(newest) != (step.name, direction):
                        await self._record(session, step, version, direction)
                    return True

            if await self._retried(step, lambda: marked(step.start, "begun")):
                await self.fill(migration, epoch=step.epoch)
                await self._retried(step, lambda: marked(step.end, "forward"))
        return step.end

    async def _batch(self, session: Session, step: _Step, statement: str) -> tuple[int, int]:
        """One batch and its count in one transaction: how many rows it changed, and all batches so far."""
        async with session.transaction():
            await self._alone(session)
            current = await session.fetchval(_EPOCH)
            if step.epoch < current:
                raise Fenced("The schema", held=step.epoch, current=current)
            changed = changed_rows(await _execute(session, step, statement))
            if changed > step.batch:
                raise BadInput(
                    f"A batch of migration {step.name} changed {changed:,} rows; {step.batch:,} are its bound.",
                    fix="Let LIMIT :batch bound the rows that are changed.",
                )
            rows = await session.fetchval(_FILLED, step.name, changed, step.epoch)
            return changed, int(rows or 0)

    async def _counting(self, session: Session) -> None:
        """Our table counts rows: one that was made before it did is given that column."""
        async with session.transaction():
            await self._alone(session)
            await session.execute(_CREATE)
            await session.execute(_COUNTS)

    async def _alone(self, session: Session) -> None:
        """Nobody else migrates for as long as this transaction lasts."""
        if not await session.fetchval("SELECT pg_try_advisory_xact_lock($1)", APPLICATION_KEY):
            raise _Busy("another controller migrates")

    async def _tried(self, step: _Step) -> tuple[Held, ...]:
        """Take the step; the locks that were held."""
        return await self._retried(step, lambda: self._take(step))

    async def _retried(self, step: _Step, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, and again while a lock is not to be had."""
        for pause in (*self._pauses, None):
            try:
                return await act()
            except _Busy as reason:
                if pause is None:
                    raise Unavailable(
                        f"Migration {step.name} did not get its locks in {len(self._pauses) + 1} attempts of "
                        f"{self._lock:g} s: {reason}.",
                        fix="Look who holds them: SELECT pid, query FROM pg_stat_activity WHERE state <> 'idle'.",
                    ) from reason
                await self._clock.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _take(self, step: _Step) -> tuple[Held, ...]:
        watch = LockWatch(step.name)
        async with self._visit(step.script) as own, self._visit() as other:
            looking = asyncio.create_task(watch.look(other, own.get_server_pid(), self._clock))
            try:
                record = await (self._outside(own, step) if step.script.outside else self._inside(own, step))
            finally:
                looking.cancel()
                (ended,) = await asyncio.gather(looking, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended  # what was held is not known; the step itself is on record
            if record is not None:
                # By the other session: the script may have set another search_path in its own.
                await other.execute(_HELD, record, msgspec.json.encode(watch.held()).decode())
        return watch.held()

    async def _inside(self, session: Session, step: _Step) -> int | None:
        """Script and version in one transaction; the record's position, or None when it is there already."""
        async with session.transaction():
            await self._alone(session)
            if not await self._wanted(session, step):
                return None
            # Before the script, which may set another search_path. All or nothing it is in any order.
            record = await self._record(session, step, step.end, step.direction)
            begun = await session.fetchval("SELECT txid_current()")
            await _run(session, step)
            if await session.fetchval("SELECT txid_current()") != begun:
                raise BadInput(
                    f"Migration {step.name} ended its own transaction: what it did before that stays.",
                    fix="Look at what is there, and mend the script.",
                )
            return record

    async def _outside(self, session: Session, step: _Step) -> int | None:
        """The epoch, each statement, then the version. What is broken off is begun anew by the same script."""
        # Tried, not waited for: whoever builds an index waits for the snapshots of those who wait.
        if not await session.fetchval("SELECT pg_try_advisory_lock($1)", APPLICATION_KEY):
            raise _Busy("another controller migrates")
        try:
            record = await self._begun(session, step)
        except WatershipError:
            # The session's end would let go of it too, but some time after whoever tries next.
            await session.execute("SELECT pg_advisory_unlock($1)", APPLICATION_KEY)
            raise
        await session.execute("SELECT pg_advisory_unlock($1)", APPLICATION_KEY)
        return record

    async def _begun(self, session: Session, step: _Step) -> int | None:
        async with session.transaction():
            if not await self._wanted(session, step):
                return None
            await self._record(session, step, step.start, "begun")
        await _run(session, step)
        if broken := [row[0] for row in await session.fetch(_INVALID)]:
            raise BadInput(
                f"Migration {step.name} leaves indexes that are not valid: {', '.join(broken)}.",
                fix="Begin the script with DROP INDEX CONCURRENTLY IF EXISTS.",
            )
        async with session.transaction():
            if not await self._wanted(session, step):
                return None
            return await self._record(session, step, step.end, step.direction)

    async def _wanted(self, session: Session, step: _Step) -> bool:
        """Whether the step has still to be taken. Raises Fenced for a lower epoch, Conflict from elsewhere."""
        await session.execute(_CREATE)
        current = await session.fetchval(_EPOCH)
        if step.epoch < current:
            raise Fenced("The schema", held=step.epoch, current=current)
        present = await self._present(session)
        if present not in (step.start, step.end):
            raise Conflict(
                f"Migration {step.name} leads from version {step.start} to {step.end}; the database is at {present}.",
                fix="Apply what lies between, or plan the release again.",
            )
        return present == step.start

    async def _record(self, session: Session, step: _Step, version: int, direction: str) -> int:
        return int(await session.fetchval(_RECORD, version, step.name, direction, step.epoch))

    async def _present(self, session: Session) -> int:
        last = await session.fetchval(_LAST) if await session.fetchval(_THERE) else None
        return self._base if last is None else int(last)

    async def _there_and_back(self, migrations: Sequence[Migration]) -> Rehearsed:
        """Forward, backward and forward again, here; shape and rows are compared with what they were."""
        before, rows = await self._looked()
        steps, locks, shapes = dict[str, float](), list[Held](), list[dict[str, str]]()
        lasting = 0.0
        for forward in (True, False, True):
            for migration in migrations if forward else reversed(migrations):
                began = self._clock.monotonic()
                held = await self._stepped(migration, forward=forward)
                took = self._clock.monotonic() - began
                lasting = max(lasting, 0.0 if held is None else took)
                if not shapes:
                    locks += held or ()
                    steps[migration.name] = took
            now, left = await self._looked()
            shapes.append(now)
            if not forward:
                require_alike("The way back leaves another schema", before, now)
                if all(each.header.kind != "contract" for each in migrations):
                    # What a contract throws away no script brings back: it is no way back that anybody is promised.
                    _compare_rows(rows, left)
        require_alike("Going forward twice gives another schema", shapes[0], shapes[2])
        return Rehearsed(seconds=lasting, locks=tuple(locks), steps=steps)

    async def _stepped(self, migration: Migration, *, forward: bool) -> tuple[Held, ...] | None:
        """The locks that the step held; None for the batches of a backfill, of which each is short."""
        if forward and migration.header.kind == "backfill":
            await self.apply(migration, forward=True, epoch=REHEARSING)
            return None
        return await self._tried(_Step.of(migration, forward=forward, epoch=REHEARSING))

    async def _looked(self) -> tuple[dict[str, str], Sums]:
        async with self._visit(seconds=self._copying) as session:
            return await shape(session), await sums(session)

    @asynccontextmanager
    async def _visit(self, script: Script | None = None, *, seconds: float = 0.0) -> AsyncIterator[Session]:
        """A session with the bounds of the script, if it is for one."""
        outside = script is not None and script.outside
        bounds: Mapping[str, str] = {
            # CONCURRENTLY waits for the transactions of others, and nobody waits behind it.
            "lock_timeout": "0" if outside else f"{self._lock * 1000:.0f}",
            "idle_in_transaction_session_timeout": FROZEN,
        }
        allowed = seconds or (OUTSIDE_SECONDS if outside else self._statement)
        async with visit(self._url, name="watership migrator", seconds=allowed, settings=bounds) as session:
            yield session


async def _run(session: Session, step: _Step) -> None:
    for statement in step.script.statements:
        await _execute(session, step, statement)


async def _execute(session: Session, step: _Step, statement: str) -> str:
    """What the database says that it did."""
    try:
        return str(await session.execute(statement))
    except asyncpg.PostgresError as reason:
        words = f"Migration {step.name} failed at {shortened(statement)!r}: {reason}."
        match reason.sqlstate:
            case "55P03" | "40P01" if not step.script.outside:
                raise _Busy(str(reason)) from reason
            case "57014":
                raise BadInput(
                    words, fix="Split it, or make it quicker: it would hold its locks as long."
                ) from reason
            case str(state) if state.startswith(("08", "53", "57", "58", "25", "40", "55P03")):
                raise Unavailable(words) from reason
            case _:
                raise BadInput(words) from reason


async def _count(session: Session, quoted: str, estimate: float, most: int) -> int:
    """By the planner's estimate where it says more than enough, else counted up to the bound."""
    if estimate > most:
        return int(estimate)
    counted = f"SELECT count(*) FROM (SELECT 1 FROM {quoted} LIMIT {most + 1}) AS counted"  # noqa: S608 - quoted by PostgreSQL
    return int(await session.fetchval(counted))


def changed_rows(tag: str) -> int:
    """By the database's own word for what a statement did: `UPDATE 12`, `INSERT 0 12`."""
    number = tag.rpartition(" ")[2]
    return int(number) if number.isdigit() else 0


def _compare_rows(wanted: Sums, found: Sums) -> None:
    """Refuse when a table's rows came back other than they were."""
    for table, (count, total) in wanted.items():
        rows, now = found[table]
        if (rows, now) != (count, total):
            raise BadInput(
                f"The way back leaves other rows in {table}: {rows:,} where {count:,} were"
                f"{', with other values' if rows == count else ''}.",
                fix="Make the backward script restore what the forward one changed.",
            )
