"""The writer commits batches of writes: as one statement where it can, else in a transaction that locks and reads."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import asyncpg

from watership.adapters.postgres.optimistic import Draft, draft, joined, write_draft
from watership.adapters.postgres.pool import Pool, Session
from watership.adapters.postgres.remembered import Memory
from watership.adapters.postgres.sheet import Sheet
from watership.adapters.postgres.transaction import remember, write
from watership.adapters.postgres.translation import Again, again, translation
from watership.durable.clock import Clock
from watership.durable.states import RunState
from watership.durable.writes import Write, Written

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

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Work(Protocol[T_co]):
    """What a transaction does. `sure`: it must look for everything that could be there already."""

    async def __call__(self, db: Session, *, sure: bool) -> T_co: ...


class Writer:
    """Transactions on the connections of one pool, and what the process remembers of the rows that it wrote."""

    def __init__(self, pool: Pool, clock: Clock | None, tell: frozenset[RunState] | None) -> None:
        """`tell`: the states that a store with an outbox tells of; None in one without."""
        self._pool = pool
        self._clock = clock
        self._tell = tell
        self._memory = Memory()
        pool.on_loss = self._memory.forget

    async def write(self, writes: Sequence[Write]) -> Written:
        """Commit the writes; in two transactions if only the first of them can be decided without a lock.

        Where the second one fails the outcomes are those of the first: the others may be given again.
        """
        known = False
        try:
            drafted = await self._write_draft(writes)
        except Again as outdated:
            drafted, known = None, outdated.known
        if drafted is None:
            return await self._lock_and_write(writes, sure=known)
        rest = writes[len(drafted.outcomes) :]
        if not rest:
            return drafted
        try:
            return joined(drafted, await self._lock_and_write(rest))
        except Exception:  # noqa: BLE001 - whoever gives the rest again hears of it; what is committed is told now
            return drafted

    async def _write_draft(self, writes: Sequence[Write]) -> Written | None:
        """The first of the writes, committed; None if nothing could be decided.

        Raises Again where something was not as it was seen last; then nothing was written.
        """
        found: Draft | None = None

        async def work(db: Session) -> Written | None:
            nonlocal found
            found = await draft(db, writes, self._memory, self._clock)
            if found is None:
                return None
            return await write_draft(db, found, self._memory, self._clock, self._tell)

        try:
            written = await self._once(work)
        except Again:
            assert found is not None
            self._memory.runs.drop(found.sheet.stored)
            self._memory.intake = None
            raise
        if found is not None:
            remember(self._memory, found.sheet)
        return written

    async def _lock_and_write(self, writes: Sequence[Write], *, sure: bool = False) -> Written:
        async def work(db: Session, *, sure: bool) -> tuple[Written, Sheet]:
            return await write(db, writes, self._memory, clock=self._clock, tell=self._tell, sure=sure)

        written, sheet = await self.transact(work, sure=sure)
        remember(self._memory, sheet)
        return written

    async def transact(self, work: Work[T], *, sure: bool = False) -> T:
        """Commit what `work` does from BEGIN on; do it again where it met another transaction."""
        for left in reversed(range(TRIES)):
            try:
                return await self._once(partial(work, sure=sure))
            except Again as repeat:
                if not left or (repeat.known and sure):
                    raise translation(repeat.reason) from repeat.reason
                sure = sure or repeat.known
                if not repeat.known:
                    await asyncio.sleep(random.uniform(0, AGAIN_SECONDS))
        raise AssertionError("the last try returns or raises")

    async def _once(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Do it on a connection of one's own; what it began is committed, or undone if it raises."""
        async with self._pool.session() as db:
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    outcome = await work(db)
                    if db.is_in_transaction():
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
