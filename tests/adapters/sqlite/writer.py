"""A process of its own that writes to a store: `python -m tests.adapters.sqlite.writer FILE NAME RUNS`.

It submits runs, appends to those it claims, and prints each run's id once the append is committed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.contracts.world import GREEN, NULL, done, submission
from watership.adapters.sqlite import SQLiteStore
from watership.durable.ids import EntryId, WorkerId
from watership.durable.states import RunState
from watership.durable.writes import Append, Claim, Claimed, Done, Finish, Submitted

BATCH = 8


async def main(path: Path, name: str, runs: int) -> None:
    async with await SQLiteStore.open(path) as store:
        say("open")
        for first in range(0, runs, BATCH):
            batch = [
                submission(f"{name}-{number}", deployment=GREEN) for number in range(first, first + BATCH)
            ]
            written = await store.write(batch)
            assert all(isinstance(outcome, Submitted) for outcome in written.outcomes)
            await work(store, WorkerId(name))


async def work(store: SQLiteStore, worker: WorkerId) -> None:
    """Claim up to a batch, whoever submitted it, and finish it."""
    claim = Claim(
        worker=worker, deployment=GREEN, pool="default", limit=BATCH, lease_seconds=60, poison_limit=3
    )
    (claimed,) = (await store.write([claim])).outcomes
    assert isinstance(claimed, Claimed)
    ended = Finish(state=RunState.SUCCEEDED, result=NULL)
    appends = [
        Append(
            entry_id=EntryId(f"{worker}-{it.run.id}"),
            run_id=it.run.id,
            epoch=it.run.epoch,
            events=(done("s/0", "x" * 500), done("s/1")),
            then=ended,
        )
        for it in claimed.runs
    ]
    written = await store.write(appends)
    assert written.outcomes == (Done(),) * len(appends)
    for append in appends:
        say(append.run_id)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
