"""DBOS on SQLite: the same run as a workflow of three steps, started and awaited the way its documentation shows."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import sqlalchemy
from dbos import DBOS

from benchmarks.load import STEPS, StartAndWait

FILE = "dbos.sqlite"
VERSION = version("dbos")


@asynccontextmanager
async def opened(folder: Path, *, wal: bool) -> AsyncIterator[tuple[StartAndWait, str]]:
    """DBOS with its defaults in `folder`, and what its connections say of their durability."""
    if wal:
        _use_wal(folder)
    engines: list[sqlalchemy.Engine] = []
    sqlalchemy.event.listen(sqlalchemy.Engine, "engine_connect", lambda c: engines.append(c.engine))
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{folder / FILE}",
            "log_level": "ERROR",
            "console_log_level": "ERROR",
        }
    )

    @DBOS.step()
    async def add_one(number: int) -> int:
        return number + 1

    @DBOS.workflow()
    async def three_steps(number: int) -> int:
        for _ in range(STEPS):
            number = await add_one(number)
        return number

    async def start_and_wait(number: int) -> int:
        handle = await DBOS.start_workflow_async(three_steps, number)
        return await handle.get_result()

    DBOS.launch()
    try:
        yield start_and_wait, _durability(engines[0])
    finally:
        DBOS.destroy()


def _use_wal(folder: Path) -> None:
    connection = sqlite3.connect(folder / FILE)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _durability(engine: sqlalchemy.Engine) -> str:
    """Asked on a connection that DBOS's own engine makes."""
    with engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    return f"journal_mode={mode} synchronous={level}"


def steps_journaled(folder: Path) -> int:
    connection = sqlite3.connect(folder / FILE)
    try:
        return int(connection.execute("SELECT count(*) FROM operation_outputs").fetchone()[0])
    finally:
        connection.close()
