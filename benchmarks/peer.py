"""A peer measures itself in a process and a folder of its own: `python -m benchmarks.peer NAME FOLDER CASE`."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import uvloop

from benchmarks.cases import Case
from benchmarks.figures import Latency, Measured, Throughput
from benchmarks.load import STEPS, Load, rss_megabytes


class StepsMissing(Exception):
    """The file holds fewer results of steps than the runs took: it was not durable work that was measured."""


class Record:
    """What was measured so far."""

    def __init__(self) -> None:
        self.throughput: list[Throughput] = []
        self.latency: Latency | None = None
        self.runs = 0
        self.rss_megabytes = 0.0

    async def take(self, load: Load, case: Case) -> None:
        for _ in range(case.warm_up):
            await load.one()
        if case.per_second is not None:
            self.latency = await load.latency(case.per_second, case.latency_seconds)
        for clients in case.clients:
            self.throughput.append(await load.throughput(clients, case.seconds))
        self.runs, self.rss_megabytes = load.runs, rss_megabytes()

    def measured(self, peer: str, version: str, durability: str, steps: int) -> Measured:
        if steps < self.runs * STEPS:
            raise StepsMissing(f"{peer}: {self.runs} runs, and {steps} steps in the file.")
        return Measured(
            peer=peer,
            version=version,
            durability=durability,
            throughput=tuple(self.throughput),
            latency=self.latency,
            runs=self.runs,
            steps_journaled=steps,
            rss_megabytes=self.rss_megabytes,
        )


async def measure_watership(folder: Path, case: Case) -> Measured:
    from benchmarks import on_watership as peer

    record = Record()
    async with peer.opened(folder) as start_and_wait:
        await record.take(Load(start_and_wait), case)
    return record.measured("watership", peer.VERSION, peer.durability(folder), peer.steps_journaled(folder))


async def measure_dbos(name: str, folder: Path, case: Case) -> Measured:
    from benchmarks import on_dbos as peer

    record = Record()
    async with peer.opened(folder, wal=name == "dbos-wal") as (start_and_wait, durability):
        await record.take(Load(start_and_wait), case)
    return record.measured(name, peer.VERSION, durability, peer.steps_journaled(folder))


def main(name: str, folder: str, case: str) -> None:
    wanted = msgspec.json.decode(case, type=Case)
    if name == "watership":
        measured = uvloop.run(measure_watership(Path(folder), wanted))
    else:
        measured = uvloop.run(measure_dbos(name, Path(folder), wanted))
    print(msgspec.json.encode(measured).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
