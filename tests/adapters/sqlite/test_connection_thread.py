"""A connection's thread finishes what was begun, tells everybody their outcome, and closes once."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import suppress

import pytest

from watership.adapters.sqlite.connection import ConnectionThread
from watership.errors import ProgramError, Unavailable


def connection() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)


async def test_work_whose_caller_gave_up_is_done_all_the_same() -> None:
    thread, gate = ConnectionThread(connection(), "t"), threading.Event()
    blocking = asyncio.ensure_future(thread.run(lambda db: gate.wait()))
    dropped = asyncio.ensure_future(thread.run(lambda db: db.execute("CREATE TABLE there (x)")))
    await asyncio.sleep(0)
    dropped.cancel()
    with suppress(asyncio.CancelledError):
        await dropped
    gate.set()
    assert await blocking
    assert await thread.run(lambda db: db.execute("SELECT count(*) FROM there").fetchone()) == (0,)
    await thread.close()


async def test_what_the_driver_raises_reaches_its_own_caller_and_nobody_else() -> None:
    thread = ConnectionThread(connection(), "t")
    jobs = (lambda db: db.execute("SELEC"), lambda db: 1 / 0, lambda db: 7)
    first, second, third = await asyncio.gather(*(thread.run(job) for job in jobs), return_exceptions=True)
    assert isinstance(first, Unavailable | ProgramError)
    assert isinstance(second, ZeroDivisionError)
    assert third == 7
    await thread.close()


async def test_closing_finishes_what_was_begun_and_ends_the_thread() -> None:
    thread, gate = ConnectionThread(connection(), "soon-gone"), threading.Event()
    begun = asyncio.ensure_future(thread.run(lambda db: gate.wait()))
    await asyncio.sleep(0)
    gate.set()
    await thread.close()
    await thread.close()
    assert await begun
    assert "soon-gone" not in {each.name for each in threading.enumerate()}
    with pytest.raises(Unavailable):
        await thread.run(lambda db: None)
