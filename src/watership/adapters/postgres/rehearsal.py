"""Migrations are tried on a copy of a PostgreSQL; other sessions watch the locks, and read as the application does."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from watership.adapters.address import shown
from watership.adapters.postgres.holding import STEP, LockWatch
from watership.adapters.postgres.pool import CONNECT_SECONDS, SCHEMES, Session
from watership.durable.clock import Clock
from watership.errors import BadInput, Unavailable
from watership.releases.ports import Migration
from watership.releases.readiness.rehearsal import Copy, Index, Ran, Reads, Rehearsal, Script

READS: Final = 100
"""Queries before, and as many after: a 95th percentile of fewer is a guess."""

STATEMENT_SECONDS: Final = 3600
"""Bound of one statement. What takes an hour on a copy is no migration for a release."""

NAME: Final = "watership_rehearsed"
"""Of an index that is built once more, to be timed by itself."""

_OURS: Final = "!~ '^(pg_|information_schema)'"
"""Of a schema's name: what is not PostgreSQL's own."""

_SHAPE: Final = f"""
SELECT format('%s %s', relkind, oid::regclass) FROM pg_class
 WHERE relkind NOT IN ('i', 'I', 't') AND relnamespace::regnamespace::text {_OURS}
UNION ALL SELECT format('column %s.%s.%s %s %s %s', table_schema, table_name, column_name, data_type, is_nullable,
                        column_default) FROM information_schema.columns WHERE table_schema {_OURS}
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname {_OURS}
UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE connamespace::regnamespace::text {_OURS}
UNION ALL SELECT format('view %s %s', viewname, definition) FROM pg_views WHERE schemaname {_OURS}
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
 WHERE prokind IN ('f', 'p') AND pronamespace::regnamespace::text {_OURS}
ORDER BY 1"""  # noqa: S608 - our own words

_TABLES: Final = f"""
SELECT oid::regclass::text FROM pg_class
 WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace::regnamespace::text {_OURS}"""  # noqa: S608

_INDEXES: Final = f"""
SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS of, pg_get_indexdef(indexrelid) AS made
  FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace::regnamespace::text {_OURS}"""  # noqa: S608

_MADE: Final = re.compile(r'^(CREATE (?:UNIQUE )?INDEX )("(?:[^"]|"")+"|\S+)( ON )')


class PostgresRehearsal:
    """Tries migrations on the database at `url`, and leaves it changed: never give it the original.

    `reads`: queries of the application. `integrity`: queries whose rows say what is wrong. Each without its semicolon.
    """

    def __init__(
        self, url: str, clock: Clock, *, reads: Sequence[str] = (), integrity: Sequence[str] = ()
    ) -> None:
        self._url = url
        self._clock = clock
        self._reads = tuple(reads)
        self._integrity = tuple(integrity)

    async def run(self, migrations: Sequence[Migration], copy: Copy) -> Rehearsal:
        """Forward, backward, forward again; the rows of the copy are counted. What fails ends it, and is on record."""
        began = self._clock.now()
        async with self._session() as own, self._session() as other:
            rows = await _rows(own)
            before = Ran(seconds=0.0, shape=await _shape(own))
            old, watch = {each["name"] for each in await own.fetch(_INDEXES)}, LockWatch()
            quiet = await self._read(other)
            forward, reading = await self._watched(own, migrations, watch)
            later = await self._read(other) if not forward.error else []
            whole = not forward.error
            integrity = await self._wrong(other) if whole else None
            built = await self._built(own, old) if whole else None
            back = await self._way(own, migrations[::-1], forward=False) if whole else None
            again = await self._way(own, migrations, forward=True) if back and not back.error else None
        return Rehearsal(
            schema="watership/rehearsal/v1",
            scripts=tuple(_script(each) for each in migrations),
            copy=Copy(of=copy.of, taken_at=copy.taken_at, rows=rows),
            began=began,
            ended=self._clock.now(),
            before=before,
            forward=forward,
            backward=back,
            again=again,
            integrity=integrity,
            locks=watch.held(),
            indexes=built,
            reads=_reads(quiet, reading, later),
        )

    async def _watched(
        self, own: Session, migrations: Sequence[Migration], watch: LockWatch
    ) -> tuple[Ran, list[float]]:
        """The first way forward, with its locks and with the application's queries beside it."""
        took: list[float] = []
        async with self._session() as watching, self._session() as reading:
            pid = own.get_server_pid()
            beside = [asyncio.create_task(watch.look(watching, pid, self._clock))]
            if self._reads:
                beside.append(asyncio.create_task(self._read_on(reading, took)))
            try:
                return await self._way(own, migrations, forward=True, watch=watch), took
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)

    async def _way(
        self, own: Session, migrations: Sequence[Migration], *, forward: bool, watch: LockWatch | None = None
    ) -> Ran:
        began, error = self._clock.monotonic(), ""
        for each in migrations:
            if watch is not None:
                watch.migration = each.name
            try:
                await _run(own, each.forward if forward else each.backward)
            except asyncpg.PostgresError as reason:
                error = f"{each.name}: {reason}"
                break
        return Ran(seconds=self._clock.monotonic() - began, shape=await _shape(own), error=error)

    async def _read(self, session: Session) -> list[float]:
        """The application's queries, READS times one after the other, in seconds."""
        took: list[float] = []
        while self._reads and len(took) < READS:
            await self._timed(session, self._reads[len(took) % len(self._reads)], took)
        return took

    async def _read_on(self, session: Session, took: list[float]) -> None:
        while True:
            await self._timed(session, self._reads[len(took) % len(self._reads)], took)
            await self._clock.sleep(STEP)

    async def _timed(self, session: Session, statement: str, took: list[float]) -> None:
        began = self._clock.monotonic()
        await session.fetch(statement)
        took.append(self._clock.monotonic() - began)

    async def _wrong(self, session: Session) -> tuple[str, ...] | None:
        if not self._integrity:
            return None
        rows = [row for statement in self._integrity for row in await session.fetch(statement)]
        return tuple(", ".join(str(value) for value in row.values()) for row in rows)

    async def _built(self, own: Session, old: set[str]) -> tuple[Index, ...]:
        """Each new index, built once more under another name: that is what its own creation takes."""
        built = []
        for each in await own.fetch(_INDEXES):
            if each["name"] not in old:
                took: list[float] = []
                await self._timed(own, _MADE.sub(rf"\g<1>{NAME}\g<3>", each["made"]), took)
                await own.execute(f"DROP INDEX {NAME}")
                built.append(Index(name=each["name"], table=each["of"], seconds=took[0]))
        return tuple(built)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        if self._url.partition("://")[0] not in SCHEMES:
            raise BadInput(f"{shown(self._url)} is no address of a PostgreSQL.")
        settings = {
            "application_name": "watership rehearsal",
            "statement_timeout": f"{STATEMENT_SECONDS}s",
        }
        try:
            session = await asyncpg.connect(
                self._url, server_settings=settings, statement_cache_size=0, timeout=CONNECT_SECONDS
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as reason:
            raise Unavailable(
                f"{shown(self._url)} does not let us in: {str(reason) or type(reason).__name__}."
            ) from reason
        try:
            yield session
        except asyncpg.PostgresError as reason:
            raise BadInput(f"The copy refused: {reason}.") from reason
        except (asyncpg.InterfaceError, OSError) as reason:
            raise Unavailable(f"{shown(self._url)} was lost: {reason}.") from reason
        finally:
            session.terminate()


async def _run(session: Session, script: str) -> None:
    """One script: in one transaction, unless it builds indexes CONCURRENTLY, which PostgreSQL does in none."""
    if "CONCURRENTLY" in script.upper():
        for statement in statements(script):
            await session.execute(statement)
        return
    async with session.transaction():
        await session.execute(script)


def statements(text: str) -> list[str]:
    """The statements of a file, by the semicolons that end a line. Lines that are comments are dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [each.strip() for each in re.split(r";\s*(?:\n|$)", "\n".join(lines)) if each.strip()]


async def _shape(session: Session) -> str:
    lines = [str(row[0]) for row in await session.fetch(_SHAPE)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


async def _rows(session: Session) -> int:
    tables = [str(row[0]) for row in await session.fetch(_TABLES)]
    return sum([await session.fetchval(f"SELECT count(*) FROM {table}") for table in tables])  # noqa: S608 - quoted by regclass


def _script(each: Migration) -> Script:
    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    return Script(name=each.name, forward_sha256=digest(each.forward), backward_sha256=digest(each.backward))


def _reads(before: Sequence[float], during: Sequence[float], after: Sequence[float]) -> Reads | None:
    if not (before and during and after):
        return None
    samples = len(before) + len(during) + len(after)
    return Reads(before=_p95(before), during=_p95(during), after=_p95(after), samples=samples)


def _p95(took: Sequence[float]) -> float:
    return sorted(took)[math.ceil(0.95 * len(took)) - 1]
