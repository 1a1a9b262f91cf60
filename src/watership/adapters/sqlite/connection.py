"""A connection lives on a thread of its own; what the driver raises leaves it as an error of ours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
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
    """Runs functions on one connection, one after the other, off the event loop."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns. Raises Unavailable when the database does not answer, or is closed."""
        if self._closed:
            raise Unavailable("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._translated, work)

    async def close(self) -> None:
        """Finish what was begun, then close. Closing twice is closing once."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    def _translated(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with translated():
            return work(self._connection)
