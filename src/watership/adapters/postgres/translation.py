"""What the driver raises becomes an error of ours: what waiting may mend, what must be done again, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from watership.errors import BadInput, NotAllowed, ProgramError, Unavailable, WatershipError

FIXES = {
    "53100": "The disk of the database is full: make room, then it goes on by itself.",
    "53200": "The database is out of memory or of lock space: raise max_locks_per_transaction.",
    "53300": "The database takes no more connections: raise max_connections, or lower the pools of this process.",
    "57P01": "The database is shutting down or was told to end this session.",
    "57P02": "The database crashed and is recovering.",
    "57P03": "The database is starting up.",
    "25006": "This server only reads: it is a standby, or became one. Let store.url name the primary, "
    "with several hosts and target_session_attrs=read-write.",
    "55P03": "A lock was held for too long by another transaction.",
    "57014": "A statement took longer than it may.",
}
"""What to say about errors that waiting, or a person, mends; by SQLSTATE."""

AGAIN = frozenset({"40P01", "40001"})
"""Deadlock, and serialization failure: the whole transaction may be done again at once."""

OUTDATED = "22012"
"""Division by zero: how a statement of ours says that a row was not as it was taken to be."""

UNIQUE = "23505"
UNPRIVILEGED = "42501"
UNKNOWN_DATABASE = "3D000"
_WAIT = ("08", "53", "57", "58", "55", "25")
"""Classes of SQLSTATE that say nothing against the statement itself."""
_ACCESS = "28"
_DATA = "22"


class Again(Exception):  # it never leaves the store, which does the transaction again
    """The transaction was undone; the same may succeed. `known`: because a row was there already."""

    def __init__(self, reason: asyncpg.PostgresError, *, known: bool) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.known = known


@contextmanager
def translated() -> Iterator[None]:
    """Our errors for the driver's."""
    try:
        yield
    except asyncpg.PostgresError as reason:
        raise translation(reason) from reason
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as reason:
        raise lost(reason) from reason


def again(reason: asyncpg.PostgresError) -> Again | None:
    """Whether the whole transaction is to be done again."""
    if reason.sqlstate in AGAIN or reason.sqlstate == OUTDATED:
        return Again(reason, known=False)
    return Again(reason, known=True) if reason.sqlstate == UNIQUE else None


def translation(reason: asyncpg.PostgresError) -> WatershipError:
    state = reason.sqlstate or ""
    if state in FIXES or state in AGAIN or state.startswith(_WAIT):
        return Unavailable(f"The database did not do as asked: {reason}.", fix=FIXES.get(state, ""))
    if state == UNKNOWN_DATABASE:
        return NotAllowed(
            f"The database refused us: {reason}.", fix="createdb NAME, or check the name in store.url."
        )
    if state.startswith(_ACCESS) or state == UNPRIVILEGED:
        return NotAllowed(
            f"The database refused us: {reason}.", fix="Check user, password and name in store.url."
        )
    if state.startswith(_DATA):
        return BadInput(f"The database cannot hold a value: {reason}.")
    return ProgramError(f"The database refused a statement: {reason}.")


def lost(reason: BaseException) -> Unavailable:
    words = str(reason) or type(reason).__name__
    return Unavailable(
        f"The connection to the database was lost: {words}.", fix="It is made again by itself."
    )
