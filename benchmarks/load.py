"""Load: clients that start runs and wait for their results, in the process that executes the runs."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Latency, Throughput

STEPS = 3
"""Steps of a run: each adds one to its argument, so a result tells whether all of them were taken."""

StartAndWait = Callable[[int], Awaitable[int]]
"""Start a durable run with this number as input; its result, as soon as a client can know it."""


class WrongResult(Exception):
    """A run came out otherwise than its steps say: nothing that was measured can be trusted."""


@dataclass(slots=True)
class Load:
    """Drives one peer and counts what it did."""

    start_and_wait: StartAndWait
    runs: int = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def one(self) -> None:
        number = next(self._numbers)
        result = await self.start_and_wait(number)
        if result != number + STEPS:
            raise WrongResult(f"A run with input {number} gave {result}, not {number + STEPS}.")
        self.runs += 1

    async def throughput(self, clients: int, seconds: float) -> Throughput:
        """Keep `clients` busy for `seconds`; the time in which the last ones finish counts too."""
        before, busy, cpu = self.runs, _busy(), _cpu()
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client(began + seconds))
        took, used, runs = time.perf_counter() - began, _cpu() - cpu, self.runs - before
        others = None if busy is None else max(0.0, (_busy() or busy) - busy - used) / took
        return Throughput(
            clients=clients,
            runs=runs,
            seconds=took,
            cpu_micros_per_run=used / runs * 1e6,
            other_cores=others,
        )

    async def _client(self, until: float) -> None:
        while time.perf_counter() < until:
            await self.one()

    async def latency(self, per_second: float, seconds: float) -> Latency:
        """Start runs on a fixed schedule. A late start is the peer's doing, so it counts from the schedule."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            timed = []
            for number in range(int(per_second * seconds)):
                due = began + number / per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                timed.append(group.create_task(self._timed(due)))
        return Latency(per_second=per_second, milliseconds=tuple(task.result() for task in timed))

    async def _timed(self, due: float) -> float:
        await self.one()
        return (time.perf_counter() - due) * 1e3


def rss_megabytes() -> float:
    """What this process holds in memory now; where the system does not tell, the most it ever held."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def _cpu() -> float:
    """Seconds of CPU that this process has used, in all its threads, in user and system mode."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _busy() -> float | None:
    """Seconds of CPU that all processes of the machine have used; None where the system does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _, _, irq, softirq = (int(x) for x in stat.read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
