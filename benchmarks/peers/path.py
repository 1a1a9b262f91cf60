"""The whole path under load: every answer is looked at, every accepted id is kept, every run is found done."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import asyncpg

from benchmarks.peers import app
from benchmarks.peers.cases import Case
from benchmarks.peers.connection import Broken, Connection, connect
from benchmarks.peers.figures import Path, Steady
from benchmarks.peers.meter import Meter
from benchmarks.peers.on_watership import MESSAGES, PEER, WatershipClient, accepted, message
from benchmarks.peers.place import Place
from benchmarks.peers.processes import Started, running
from benchmarks.peers.survival import Kept, wrong

ANSWER_SECONDS = 30.0
"""After the end of a case: an answer that is still not there then counts as an error."""

BODY = b'{"agent":"three_steps","input":{"number":%d}}'
"""Encoded by hand: what the load generator uses is missing to those that are measured."""

AGAIN_SECONDS = 0.1
"""After a 429. A client as impatient as this one, told to wait longer, is part of an overload."""

OPENING = 50
"""Connections opened at a time, so that it is not the listen queue which is measured."""

DONE_SECONDS = 60.0
"""Within which all accepted runs are done after the load has ended; beyond it the path is stuck."""

SAMPLE = 20_000
"""Times of answers that are kept, at most: their percentiles do not change beyond it."""

UNDONE = "SELECT EXISTS (SELECT FROM runs WHERE state IN ('ready', 'running', 'waiting'))"
TIMES = """
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY updated_at - created_at),
       percentile_disc(0.99) WITHIN GROUP (ORDER BY updated_at - created_at),
       max(updated_at - created_at)
FROM runs WHERE serial > $1 AND state = 'succeeded'
"""


class Stuck(Exception):
    """Runs were accepted and do not end."""


class ResultsWrong(Exception):
    """An accepted run is missing, or came out otherwise than its steps say."""


@dataclass(slots=True)
class Tally:
    """What the connections of one case were answered."""

    accepted: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)


async def measure(place: Place, case: Case) -> list[Path | Steady]:
    """One repetition: at a fixed rate first, then each number of connections, one after the other."""
    # Two worker processes on two cores, as Celery and Dramatiq are given.
    workers = {f"worker-{number}": PEER.worker(place) for number in (1, 2)}
    commands = {**PEER.front(place), **workers}
    with running(commands, place) as started:
        async with PEER.opened(place) as client:
            await _warm(client, started, case.warm_up)
            database = await asyncpg.connect(place.postgres)
            try:
                meter = Meter({name: each.pid for name, each in started.items()} | dict(place.servers))
                numbers = itertools.count()
                figures: list[Path | Steady] = [await _steady(client, meter, numbers, case)]
                kept: dict[str, int] = {}
                for connections in case.connections:
                    path, accepted_runs = await _loaded(database, meter, numbers, connections, case.seconds)
                    figures.append(path)
                    kept |= accepted_runs
                await _all_right(place, kept)
            finally:
                await database.close()
    Kept(postgres=place.postgres, steps=app.STEPS, runs=kept).write(place.folder)
    return figures


async def _warm(client: WatershipClient, started: dict[str, Started], count: int) -> None:
    for number in range(count):
        for each in started.values():
            each.check()
        await client.result(await client.start(message("three_steps", number=number)))


async def _steady(client: WatershipClient, meter: Meter, numbers: Iterator[int], case: Case) -> Steady:
    reading, began, http, tasks = meter.read(), time.perf_counter(), [], []

    async def one(due: float, number: int) -> float:
        run_id = await client.start(message("three_steps", number=number))
        http.append((time.perf_counter() - due) * 1e3)
        result = await client.result(run_id)
        if result != number + app.STEPS:
            raise ResultsWrong(f"{run_id} gave {result} for {number}.")
        return (time.perf_counter() - due) * 1e3

    async with asyncio.TaskGroup() as group:
        for index in range(int(case.per_second * case.latency_seconds)):
            due = began + index / case.per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(group.create_task(one(due, next(numbers))))
    done = tuple(task.result() for task in tasks)
    return Steady(
        per_second=case.per_second,
        http_milliseconds=tuple(http),
        done_milliseconds=done,
        cost=reading.cost(meter.read(), jobs=len(done), seconds=time.perf_counter() - began),
    )


async def _loaded(
    database: asyncpg.Connection, meter: Meter, numbers: Iterator[int], connections: int, seconds: float
) -> tuple[Path, dict[str, int]]:
    tally = Tally()
    opened = await _opened(connections, tally)
    last = await database.fetchval("SELECT coalesce(max(serial), 0) FROM runs")
    reading, began = meter.read(), time.perf_counter()
    late = asyncio.get_running_loop().call_later(seconds + ANSWER_SECONDS, _abort, opened)
    await asyncio.gather(*(_client(each, numbers, began + seconds, tally) for each in opened))
    late.cancel()
    took = time.perf_counter() - began
    await _all_done(database)
    drained = time.perf_counter() - began
    later = meter.read()
    for each in opened:
        each.close()
    if not tally.accepted:
        raise Stuck(f"Nothing was accepted; {tally.refused} refused, errors: {dict(tally.errors)}")
    p50, p99, most = await database.fetchrow(TIMES, last)
    path = Path(
        connections=connections,
        accepted=len(tally.accepted),
        refused=tally.refused,
        errors=sum(tally.errors.values()),
        complaints=tuple(f"{count} x {what}" for what, count in tally.errors.most_common(5)),
        seconds=took,
        drained_seconds=drained,
        cost=reading.cost(later, jobs=len(tally.accepted), seconds=drained),
        http_milliseconds=tuple(tally.milliseconds[:: max(1, len(tally.milliseconds) // SAMPLE)]),
        done_p50=p50 / 1e3,
        done_p99=p99 / 1e3,
        done_most=most / 1e3,
    )
    return path, tally.accepted


async def _opened(connections: int, tally: Tally) -> list[Connection]:
    opened: list[Connection] = []
    while len(opened) + sum(tally.errors.values()) < connections:
        some = min(OPENING, connections - len(opened) - sum(tally.errors.values()))
        for each in await asyncio.gather(*(connect(PEER.url) for _ in range(some)), return_exceptions=True):
            if isinstance(each, BaseException):
                tally.errors[f"connect: {each!r}"] += 1
            else:
                opened.append(each)
    return opened


def _abort(connections: list[Connection]) -> None:
    for each in connections:
        each.abort()


async def _client(connection: Connection, numbers: Iterator[int], until: float, tally: Tally) -> None:
    while (asked := time.perf_counter()) < until:
        number = next(numbers)
        try:
            answer = await connection.post(MESSAGES, BODY % number)
        except Broken as error:
            tally.errors[str(error)] += 1
            return
        tally.milliseconds.append((time.perf_counter() - asked) * 1e3)
        if answer.status == 202:
            tally.accepted[accepted.decode(answer.body).run_id] = number
        elif answer.status == 429:
            tally.refused += 1
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            tally.errors[f"{answer.status}: {answer.body[:200].decode(errors='replace')}"] += 1
            await asyncio.sleep(AGAIN_SECONDS)


async def _all_done(database: asyncpg.Connection) -> None:
    deadline = time.monotonic() + DONE_SECONDS
    while await database.fetchval(UNDONE):
        if time.monotonic() > deadline:
            left = await database.fetch("SELECT state, count(*) FROM runs GROUP BY state")
            raise Stuck(f"Runs are not done after {DONE_SECONDS:g} s: {[tuple(row) for row in left]}")
        await asyncio.sleep(0.02)


async def _all_right(place: Place, kept: dict[str, int]) -> None:
    if found := await wrong(place.postgres, kept, app.STEPS):
        raise ResultsWrong(f"{len(found)} accepted runs, among them: {'; '.join(found[:5])}")
