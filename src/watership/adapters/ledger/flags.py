"""Flags change under their record: what was, what is, who did it, in one transaction with the change itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from watership.adapters.ledger import intake
from watership.adapters.ledger.rows import BookRows
from watership.fleet.flags import PAUSE, READ_ONLY, Flag, FlagChange, changed, read_only_flag, room_for


class FlagRows(Protocol):
    """The tables of flags, inside one transaction."""

    def flag(self, name: str) -> Flag | None: ...

    def put_flag(self, flag: Flag) -> None: ...

    def flag_count(self) -> int: ...

    def add_change(self, change: FlagChange) -> None: ...

    def changes(self, name: str | None, limit: int) -> Sequence[FlagChange]:
        """Newest first."""


def set_flag(rows: FlagRows, books: BookRows, now: datetime, wanted: Flag, expected: int | None) -> Flag:
    """Put `wanted` in force and into the record; see the port."""
    before = current(rows, books, wanted.name)
    newest = rows.changes(None, 1)
    change = changed(before, wanted, expected=expected, number=newest[0].number + 1 if newest else 1, now=now)
    if wanted.name == READ_ONLY:
        intake.set_readonly(books, now, change.after.on)
    else:
        if before is None:
            room_for(wanted.name, rows.flag_count())
        rows.put_flag(change.after)
        if wanted.name.startswith(PAUSE):
            intake.set_paused(books, now, wanted.name.removeprefix(PAUSE), change.after.on)
    rows.add_change(change)
    return change.after


def set_readonly(rows: FlagRows, books: BookRows, now: datetime, readonly: bool, by: str) -> None:
    """Set the intake's switch by its own name. What changes nothing stands in no record."""
    if books.intake().readonly is not readonly:
        set_flag(rows, books, now, Flag(name=READ_ONLY, on=readonly, by=by), None)


def current(rows: FlagRows, books: BookRows, name: str) -> Flag | None:
    """The flag as it stands; None when there is no such flag."""
    if name != READ_ONLY:
        return rows.flag(name)
    last = rows.changes(READ_ONLY, 1)
    return read_only_flag(books.intake().readonly, last[0] if last else None)
