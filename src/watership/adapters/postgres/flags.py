"""Flags and the record of their changes, in two tables, changed under the intake's lock: one flag is the intake's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from watership.adapters.ledger import flags as ledger
from watership.adapters.ledger.columns import change_of, change_row, flag_of, flag_row
from watership.adapters.ledger.rows import BookRows
from watership.adapters.postgres.flush import flush
from watership.adapters.postgres.links import Links
from watership.adapters.postgres.loading import Loader
from watership.adapters.postgres.locks import INTAKE_KEY, lock_exclusively
from watership.adapters.postgres.pool import Session
from watership.adapters.postgres.sheet import Sheet
from watership.fleet.flags import READ_ONLY, Flag, FlagChange

_CHANGES = "SELECT number, name, at, by, reason, before, after FROM flag_changes"
_PUT = "INSERT INTO flags (name, body) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET body = excluded.body"
_ADD = "INSERT INTO flag_changes VALUES ($1, $2, $3, $4, $5, $6, $7)"
T = TypeVar("T")


class FlagSheet:
    """FlagRows over what was loaded: all flags, and the newest changes. There are few, and they change rarely."""

    def __init__(
        self, flags: Sequence[Flag], newest: Sequence[FlagChange], read_only: Sequence[FlagChange]
    ) -> None:
        self._flags = {flag.name: flag for flag in flags}
        self._newest = list(newest)
        self._read_only = list(read_only)
        self._put: list[Flag] = []
        self._added: list[FlagChange] = []

    @classmethod
    async def load(cls, db: Session) -> FlagSheet:
        flags = [flag_of(row[0]) for row in await db.fetch("SELECT body FROM flags")]
        return cls(flags, await read_changes(db, None, 1), await read_changes(db, READ_ONLY, 1))

    def all(self, books: BookRows) -> list[Flag]:
        """Every flag by name, the intake's switch among them."""
        readonly = ledger.current(self, books, READ_ONLY)
        assert readonly is not None, "the intake is always there"
        return sorted([readonly, *self._flags.values()], key=lambda flag: flag.name)

    def flag(self, name: str) -> Flag | None:
        return self._flags.get(name)

    def put_flag(self, flag: Flag) -> None:
        self._flags[flag.name] = flag
        self._put.append(flag)

    def flag_count(self) -> int:
        return len(self._flags)

    def add_change(self, change: FlagChange) -> None:
        self._added.append(change)

    def changes(self, name: str | None, limit: int) -> Sequence[FlagChange]:
        """Of the newest one, and of the newest of ENABLE_READ_ONLY: what a change has to know."""
        assert name in {None, READ_ONLY} and limit == 1, "a change looks at no others"
        return self._newest if name is None else self._read_only

    async def flush(self, db: Session) -> None:
        for flag in self._put:
            await db.execute(_PUT, *flag_row(flag))
        for change in self._added:
            await db.execute(_ADD, *change_row(change))


class PostgresFlags:
    """Flags."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def flags(self) -> Sequence[Flag]:
        async with (
            self._links.reading.session() as db,
            db.transaction(isolation="repeatable_read", readonly=True),
        ):
            sheet = Sheet(sure=True)
            await Loader(db, sheet, self._links.clock).read_facts((), (), (), intake=True)
            return (await FlagSheet.load(db)).all(sheet)

    async def set_flag(self, flag: Flag, *, expected: int | None = None) -> Flag:
        def change(sheet: Sheet, now: datetime, flags: FlagSheet) -> Flag:
            return ledger.set_flag(flags, sheet, now, flag, expected)

        return await change_flags(self._links, change)

    async def flag_changes(self, name: str | None = None, *, limit: int = 50) -> Sequence[FlagChange]:
        async with self._links.reading.session() as db:
            return await read_changes(db, name, limit)


async def change_flags(
    links: Links, change: Callable[[Sheet, datetime, FlagSheet], T], *, loads: bool = True
) -> T:
    """Read the intake's row while nobody pins by it, and the flags; write what became of them."""

    async def work(db: Session, *, sure: bool) -> T:
        await db.execute(f"BEGIN; {lock_exclusively([INTAKE_KEY])}")
        sheet = Sheet(sure=True)
        loader = Loader(db, sheet, links.clock)
        await loader.read_facts((), (), (), intake=True)
        flags = await FlagSheet.load(db) if loads else FlagSheet((), (), ())
        outcome = change(sheet, loader.now(), flags)
        await flush(db, sheet)
        await flags.flush(db)
        return outcome

    return await links.writer.transact(work)


async def read_changes(db: Session, name: str | None, limit: int) -> Sequence[FlagChange]:
    """The record, newest first; of one flag, or of all."""
    if name is None:
        rows = await db.fetch(f"{_CHANGES} ORDER BY number DESC LIMIT $1", limit)
    else:
        rows = await db.fetch(f"{_CHANGES} WHERE name = $1 ORDER BY number DESC LIMIT $2", name, limit)
    return [change_of(tuple(row)) for row in rows]
