"""DBOS on SQLite: the same run as a workflow of three steps, started and awaited the way its documentation shows."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from dbos import DBOS

from benchmarks.load import STEPS, StartAndWait

FILE = "dbos.sqlite"
VERSION = version("dbos")


async def add_one(number: int) -> int:
    return number + 1


@asynccontextmanager
async def opened(folder: Path, *, wal: bool) -> AsyncIterator[tuple[StartAndWait, str]]:
    """DBOS with its defaults in `folder`, and what its connections say of their durability."""
    if wal:
        _use_wal(folder)
    instance = DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{folder / FILE}",
            "log_level": "ERROR",
            "console_log_level": "ERROR",
        }
    )
    add = DBOS.step()(add_one)

    async def three_steps(number: int) -> int:
        for _ in range(STEPS):
            number = await add(number)
        return number

    workflow = DBOS.workflow()(three_steps)

    async def start_and_wait(number: int) -> int:
        handle = await DBOS.start_workflow_async(workflow, number)
        return int(await handle.get_result())

    DBOS.launch()
    try:
        yield start_and_wait, _durability(instance)
    finally:
        DBOS.destroy()


def _use_wal(folder: Path) -> None:
    connection = sqlite3.connect(folder / FILE)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _durability(instance: DBOS) -> str:
    """Asked on a connection that DBOS's own engine makes."""
    with instance._sys_db.engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    return f"journal_mode={mode} synchronous={level}"


def steps_journaled(folder: Path) -> int:
    connection = sqlite3.connect(folder / FILE)
    try:
        return int(connection.execute("SELECT count(*) FROM operation_outputs").fetchone()[0])
    finally:
        connection.close()
