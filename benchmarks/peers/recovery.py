"""Recovery: a worker is killed with a job in its hands; the clock runs until its work begins elsewhere."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.peers.cases import Case
from benchmarks.peers.figures import Recovery
from benchmarks.peers.marks import Mark, marks
from benchmarks.peers.meter import pss_megabytes
from benchmarks.peers.peer import Client, Peer
from benchmarks.peers.place import Place
from benchmarks.peers.processes import Started, import_milliseconds, running
from watership.testing.servers import family

WORKERS = 2
"""One to be killed and one to go on; the killed one is replaced before the next kill."""

IMPORTS = 5
"""Fresh interpreters whose imports are timed."""

BEGIN_SECONDS = 40.0
"""Within which a worker that was started takes its first job, on a busy machine."""

RECOVERY_SECONDS = 20.0
"""Beyond which a job is not recovered, as far as anybody waits for it."""

LOOK_SECONDS = 0.001
SETTLE_SECONDS = 1.0
"""After a start, until memory is measured and a worker is killed: heartbeats and sessions are established then."""


class Late(Exception):
    """A job did not begin in time."""


class NotRecovered(Exception):
    """The job of a killed worker did not begin elsewhere."""


async def measure(peer: Peer, place: Place, case: Case) -> Recovery:
    """Kill as often as the case says, each time a worker that holds a job."""
    names = (f"worker-{number}" for number in itertools.count())
    files = (place.folder / f"marks-{number}" for number in itertools.count())
    workers = 1 if peer.supervised else WORKERS
    times, memory, processes, not_recovered = [], [], 0, ""
    with running(peer.front(place), place) as fronts:
        async with peer.opened(place, working=False) as client:
            with running({next(names): peer.idle(place) for _ in range(workers)}, place) as started:

                def replacement() -> None:
                    name = next(names)
                    started[name] = Started(name, peer.idle(place), place, {})

                for _ in range(case.kills):
                    await _settled(client, files, started)
                    idle = next(reversed(started.values())).pid
                    memory.append(pss_megabytes(idle))
                    processes = len(family.members(idle))
                    try:
                        times.append(
                            await _kill(client, next(files), started, replacement, supervised=peer.supervised)
                        )
                    except NotRecovered as reason:
                        not_recovered = str(reason)
                        break
        for each in fronts.values():
            each.check()
    imports = tuple(import_milliseconds(peer.imports, place) for _ in range(IMPORTS))
    return Recovery(
        peer=place.peer,
        milliseconds=tuple(times),
        megabytes=tuple(memory),
        processes=processes,
        import_milliseconds=imports,
        not_recovered=not_recovered,
    )


async def _settled(client: Client, files: Iterator[Path], started: dict[str, Started]) -> None:
    """Until every worker has taken a job to its end: a file that holds a mark already lets nobody sit still."""
    missing = dict(started)
    deadline = time.monotonic() + BEGIN_SECONDS
    while missing:
        path = next(files)
        path.write_text(f"0 {time.monotonic()!r}\n")
        await client.nap(str(path))
        last = (await _marked(path, 2, deadline, started))[-1]
        missing = {name: each for name, each in missing.items() if not each.owns(last.pid)}
    await asyncio.sleep(SETTLE_SECONDS)


async def _kill(
    client: Client,
    path: Path,
    started: dict[str, Started],
    replacement: Callable[[], None],
    *,
    supervised: bool,
) -> float:
    """Milliseconds from the kill of whoever took the job to its next beginning."""
    await client.nap(str(path))
    first = (await _marked(path, 1, time.monotonic() + BEGIN_SECONDS, started))[0]
    await asyncio.sleep(SETTLE_SECONDS)
    owner = next(key for key, each in started.items() if each.owns(first.pid))
    killed = time.monotonic()
    started.pop(owner).kill()
    if supervised:
        replacement()
    try:
        second = (await _marked(path, 2, killed + RECOVERY_SECONDS, started))[1]
    except Late as late:
        raise NotRecovered(f"not within {RECOVERY_SECONDS:g} s") from late
    if not supervised:
        replacement()
    return (second.at - killed) * 1e3


async def _marked(path: Path, count: int, deadline: float, started: dict[str, Started]) -> list[Mark]:
    while len(found := marks(path)) < count:
        for each in started.values():
            each.check()
        if time.monotonic() > deadline:
            raise Late(f"{len(found)} of {count} marks in {path.name} in time.")
        await asyncio.sleep(LOOK_SECONDS)
    return found
