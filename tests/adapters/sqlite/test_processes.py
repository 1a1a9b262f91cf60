"""Several processes, and their deaths, on one SQLite file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from watership.adapters.sqlite import SQLiteStore
from watership.durable.ids import RunId
from watership.durable.states import RunState

ROOT = Path(__file__).resolve().parents[3]
RUNS = 80


@contextmanager
def writer(path: Path, name: str, runs: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.adapters.sqlite.writer", str(path), name, str(runs)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return (line.strip() for line in process.stdout)


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


async def test_what_was_committed_survives_a_process_that_is_killed_while_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with writer(path, "w", 1_000_000) as process:
        heard = lines(process)
        assert next(heard) == "open"
        committed = [next(heard) for _ in range(100)]
        process.kill()
        committed += [line for line in heard if line.startswith("w-") and line != "w-"][:-1]
    assert integrity(path) == "ok"
    async with await SQLiteStore.open(path) as store:
        for name in committed:
            run = await store.get(RunId(name))
            assert run is not None
            assert run.state is RunState.SUCCEEDED
            assert [entry.seq for entry in await store.journal(run.id)] == [1, 2, 3]


async def test_processes_that_open_and_write_at_once_share_the_work_without_doing_it_twice(
    tmp_path: Path,
) -> None:
    path = tmp_path / "runs.db"
    with writer(path, "a", RUNS) as first, writer(path, "b", RUNS) as second:
        did = [[line for line in lines(process) if line != "open"] for process in (first, second)]
        assert (first.wait(), second.wait()) == (0, 0)
    everything = [name for names in did for name in names]
    assert len(everything) == len(set(everything))
    async with await SQLiteStore.open(path) as store:
        census = await store.census()
    assert sum(census.values()) == 2 * RUNS
    assert census["green-1", RunState.SUCCEEDED] == len(everything)  # type: ignore[index]  # an id is its text
