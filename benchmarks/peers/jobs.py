"""Jobs are handed in all at once, then at a fixed rate; every result is compared with its input."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.load import WrongResult
from benchmarks.peers.cases import Case
from benchmarks.peers.figures import Cost, Jobs
from benchmarks.peers.meter import Meter
from benchmarks.peers.peer import Client, Peer, Pending
from benchmarks.peers.place import Place
from benchmarks.peers.processes import Started, running

WARM_SECONDS = 40.0
"""For a worker's start and its first job, on a busy machine."""

STALL_SECONDS = 30.0
"""Without a further result for so long, a peer has lost jobs, or will not end in time."""

LOOK_SECONDS = 0.02
"""How often the stored results are counted once all jobs are handed in: a hundredth of what is measured."""

CHECKERS = 8
"""Results read back at a time, after the clock has stopped."""


class Stalled(Exception):
    """Jobs were accepted and their results do not come."""


class Burst(NamedTuple):
    """All jobs at once: until all were handed in, and until all results were stored."""

    submitted_seconds: float
    seconds: float
    cost: Cost


async def measure(peer: Peer, place: Place, case: Case) -> Jobs:
    """One repetition: warm up, hand in `case.jobs`, then at `case.per_second` for a while."""
    with ExitStack() as stack:
        worker = peer.worker(place)
        commands = dict(peer.front(place)) | ({"worker": worker} if worker else {})
        started = stack.enter_context(running(commands, place))
        async with peer.opened(place) as client:
            numbers = itertools.count()
            await _warm(client, numbers, started, case.warm_up)
            meter = Meter({name: each.pid for name, each in started.items()} | dict(place.servers))
            burst = await _burst(peer, client, numbers, meter, case)
            idle = await latency(client, numbers, case.per_second, case.latency_seconds)
    return Jobs(
        peer=place.peer,
        version=peer.version,
        jobs=case.jobs,
        submitted_seconds=burst.submitted_seconds,
        seconds=burst.seconds,
        cost=burst.cost,
        per_second=case.per_second,
        milliseconds=tuple(idle),
    )


async def _warm(client: Client, numbers: Iterator[int], started: dict[str, Started], count: int) -> None:
    """The first job tells that the worker works; a worker that has died tells why."""
    first = asyncio.ensure_future(_one(client, next(numbers)))
    deadline = time.monotonic() + WARM_SECONDS
    while not first.done():
        for each in started.values():
            each.check()
        if time.monotonic() > deadline:
            first.cancel()
            raise Stalled(f"The first job had no result after {WARM_SECONDS:g} s.")
        await asyncio.wait({first}, timeout=0.1)
    first.result()
    for _ in range(count):
        await _one(client, next(numbers))


async def _one(client: Client, number: int) -> None:
    compare(number, await (await client.submit(number))())


def compare(number: int, result: int) -> None:
    if result != number + 1:
        raise WrongResult(f"A job with input {number} gave {result}, not {number + 1}.")


async def _burst(peer: Peer, client: Client, numbers: Iterator[int], meter: Meter, case: Case) -> Burst:
    before, reading, began = await client.stored(), meter.read(), time.perf_counter()
    given = itertools.islice(numbers, case.jobs)
    pending: list[tuple[int, Pending]] = []

    async def submitter() -> None:
        for number in given:
            result = await client.submit(number)
            pending.append((number, result))

    async with asyncio.TaskGroup() as group:
        for _ in range(peer.submitters):
            group.create_task(submitter())
    submitted = time.perf_counter() - began
    await _all_stored(client, before + case.jobs)
    took = time.perf_counter() - began
    cost = reading.cost(meter.read(), jobs=case.jobs, seconds=took)
    await _check(pending)
    return Burst(submitted, took, cost)


async def _all_stored(client: Client, wanted: int) -> None:
    most, since = -1, time.monotonic()
    while (stored := await client.stored()) < wanted:
        if stored > most:
            most, since = stored, time.monotonic()
        elif time.monotonic() - since > STALL_SECONDS:
            raise Stalled(
                f"{wanted - stored} of the jobs have no result, and none came for {STALL_SECONDS:g} s."
            )
        await asyncio.sleep(LOOK_SECONDS)


async def _check(pending: list[tuple[int, Pending]]) -> None:
    """Read every result back through the peer's own interface."""
    rest = iter(pending)

    async def checker() -> None:
        for number, result in rest:
            compare(number, await result())

    async with asyncio.TaskGroup() as group:
        for _ in range(CHECKERS):
            group.create_task(checker())


async def latency(client: Client, numbers: Iterator[int], per_second: float, seconds: float) -> list[float]:
    """Milliseconds from when a job was due to its result. A late submission is the peer's doing, so it counts."""
    began = time.perf_counter()
    tasks = []

    async def timed(due: float, number: int) -> float:
        await _one(client, number)
        return (time.perf_counter() - due) * 1e3

    async with asyncio.TaskGroup() as group:
        for index in range(int(per_second * seconds)):
            due = began + index / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(group.create_task(timed(due, next(numbers))))
    return [task.result() for task in tasks]
