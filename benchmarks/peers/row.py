"""One measurement in a process of its own: `python -m benchmarks.peers.row KIND CASE`, its place in the environment."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import msgspec
import uvloop

from benchmarks.peers import engine, jobs, recovery
from benchmarks.peers.cases import Case
from benchmarks.peers.figures import Figures
from benchmarks.peers.peer import load
from benchmarks.peers.place import Place, here

THREADS = 32
"""For the calls of libraries that block."""


async def measured(kind: str, place: Place, case: Case) -> Figures:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    if kind == "engine":
        return [*await engine.measure(place, case)]
    peer = load(place.peer)
    if kind == "path":
        from benchmarks.peers import path

        return [*await path.measure(place, case)]
    if kind == "recovery":
        return [await recovery.measure(peer, place, case)]
    return [await jobs.measure(peer, place, case)]


def main(kind: str, case: str) -> None:
    place = here()
    if kind != "engine":
        load(place.peer).prepare(place)
    figures = uvloop.run(measured(kind, place, msgspec.json.decode(case, type=Case)))
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
