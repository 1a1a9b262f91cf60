"""A restore into place: what would be lost is stated, and holds only as long as nothing was written since."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from msgspec import Struct

from watership.errors import Conflict
from watership.releases.ports import Backup

SAFETY: Final = "before-restore"
"""What the backup is called that is taken of the present state, before it is replaced."""

SHOWN: Final = 20
"""Tables that are named in words; the rest are counted."""


class TableLoss(Struct, frozen=True, kw_only=True):
    """Of a table: rows as they are now that would be gone, and rows of before that would be back.

    A row that was changed since is both.
    """

    lost: int
    back: int


class Loss(Struct, frozen=True, kw_only=True):
    """What a restore of `backup` would take away, by table; `state` tells the present contents from any others."""

    backup: str
    tables: Mapping[str, TableLoss]
    state: str

    @property
    def rows(self) -> int:
        return sum(each.lost for each in self.tables.values())

    @property
    def back(self) -> int:
        return sum(each.back for each in self.tables.values())


class Placed(Struct, frozen=True, kw_only=True):
    """What a restore into place did: `kept` is where what was there stays, `safety` the backup of it."""

    loss: Loss
    safety: Backup
    kept: str


class Place(Protocol):
    """A database, and a copy beside it that is to take its place."""

    async def loss(self) -> Loss:
        """What the database has and the copy has not, and the other way round."""

    async def safe(self, name: str) -> Backup:
        """Take a backup of what is there now."""

    def closed(self) -> AbstractAsyncContextManager[None]:
        """Keep everybody else out meanwhile. Raises Conflict where they do not go."""

    async def state(self) -> str:
        """What tells the present contents from any others."""

    async def swap(self) -> str:
        """Let the copy take the place, whole or not at all; where what was there stays."""


async def restore(place: Place, *, yes_lose: int) -> Placed:
    """Put the copy in place. Raises Conflict, and changes nothing, where another number of rows would be lost.

    The number is that of a statement before. It is counted again, a backup is taken of what is there, everybody else
    is kept out, and only if nothing has changed by then is the copy put in place.
    """
    loss = await place.loss()
    if loss.rows != yes_lose:
        raise _void(loss.rows, yes_lose)
    safety = await place.safe(SAFETY)
    async with place.closed():
        if await place.state() != loss.state:
            raise Conflict(
                "Something was written since what would be lost was counted: nothing was restored.",
                fix="Stop the writers, or state it again: watership backup restore --dry-run",
            )
        return Placed(loss=loss, safety=safety, kept=await place.swap())


def _void(rows: int, said: int) -> Conflict:
    return Conflict(
        f"{rows:,} rows would be lost, and {said:,} were allowed: nothing was restored.",
        fix=f"If these may be lost too: --yes-lose {rows}",
    )


def words(loss: Loss) -> str:
    """The statement, for people."""
    named = [(name, each) for name, each in sorted(loss.tables.items()) if each.lost or each.back]
    lines = [
        f"  {name}: {each.lost:,} rows as they are now would be lost, {each.back:,} of before would be back"
        for name, each in named[:SHOWN]
    ]
    if len(named) > SHOWN:
        lines.append(f"  and {len(named) - SHOWN} tables more")
    head = f"A restore of {loss.backup} would lose {loss.rows:,} rows, and bring {loss.back:,} back."
    return "\n".join([head, *lines])
