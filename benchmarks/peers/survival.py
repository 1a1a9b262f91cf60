"""Survival: what was accepted stands in PostgreSQL with the right result, after a SIGKILL as before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Self

import asyncpg
import msgspec

FILE = "accepted.json"
ROWS = 5_000
"""Looked up in one query: a few megabytes."""

READ = "SELECT id, state, result FROM runs WHERE id = ANY($1)"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The runs that were accepted in one database, each with its input."""

    postgres: str
    steps: int
    runs: Mapping[str, int]

    def write(self, folder: Path) -> None:
        (folder / FILE).write_bytes(msgspec.json.encode(self))

    @classmethod
    def read(cls, folder: Path) -> Self:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=cls)


async def wrong(url: str, runs: Mapping[str, int], steps: int) -> list[str]:
    """What is wrong with each run that is missing, not succeeded, or has another result than its input says."""
    found: list[str] = []
    connection = await asyncpg.connect(url)
    try:
        for some in _parts(runs):
            rows = {row["id"]: row for row in await connection.fetch(READ, list(some))}
            found.extend(
                complaint
                for run_id, number in some.items()
                if (complaint := _complaint(run_id, rows.get(run_id), number + steps))
            )
    finally:
        await connection.close()
    return found


def _complaint(run_id: str, row: Mapping[str, object] | None, expected: int) -> str:
    if row is None:
        return f"{run_id} is not there"
    if row["state"] != "succeeded":
        return f"{run_id} is {row['state']}"
    if row["result"] != str(expected).encode():
        return f"{run_id} gave {row['result']!r}, not {expected}"
    return ""


def _parts(runs: Mapping[str, int]) -> Iterator[dict[str, int]]:
    items = iter(runs.items())
    while some := dict(islice(items, ROWS)):
        yield some
