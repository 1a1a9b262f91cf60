"""A connection lives on a thread of its own; what the driver raises leaves it as an error of ours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from watership.errors import ProgramError, Unavailable

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a transaction waits for another process's. A commit takes milliseconds: after this something hangs."""

STATEMENTS = 256
"""Prepared statements kept per connection: all of ours, and the queries with lists in them."""

CACHE_KIBIBYTES = 32 * 1024
"""Pages kept per connection: the inner pages of all indexes of some hundred thousand runs."""


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """Open the file with the settings that every connection has. Transactions are begun and ended by hand."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS,
    )
    # FULL: a commit is on the disk when it returns, whatever happens to the machine.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    if readonly:
        connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def translated() -> Iterator[None]:
    """Our errors for the driver's: what waiting may mend is Unavailable, what breaks a rule a ProgramError."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError) as reason:
        raise ProgramError(f"The database refused a statement: {reason}.") from reason
    except sqlite3.Error as reason:
        raise Unavailable(
            f"The database did not do as asked: {reason}.",
            fix="Check that the disk has space and that no other program keeps the file locked.",
        ) from reason


@contextmanager
def immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that holds the write lock from its beginning; undone when anything in it raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class ConnectionThread:
    """Runs functions on one connection, one after the other, off the event loop.

    Not an executor: that makes two futures and three locks for each call, and we need one future and one queue.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns. Raises Unavailable when the database does not answer, or is closed.

        Work that was begun is finished, whether or not somebody still waits for it.
        """
        if self._closed:
            raise Unavailable("The store is closed.")
        return await self._ask(work)

    async def close(self) -> None:
        """Finish what was begun, then close. Closing twice is closing once."""
        if self._closed:
            return
        self._closed = True
        await self._ask(sqlite3.Connection.close)
        self._jobs.put(None)
        self._thread.join()

    def _ask(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._jobs.put(partial(self._answer, work, answer, loop))
        return answer

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # or else its outcome would be held until the next one comes

    def _answer(
        self,
        work: Callable[[sqlite3.Connection], T],
        answer: asyncio.Future[T],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        tell: Callable[[], None]
        try:
            with translated():
                tell = partial(_succeed, answer, work(self._connection))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it
            tell = partial(_fail, answer, error)
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            loop.call_soon_threadsafe(tell)


def _succeed(answer: asyncio.Future[T], value: T) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: asyncio.Future[T], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
