"""A meter reads from /proc what processes have used: CPU of whole families, memory that is theirs alone."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.figures import Cost
from watership.testing.servers import family

TICKS = os.sysconf("SC_CLK_TCK")
CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds of CPU so far: of each group, and of everything on the machine."""

    seconds: Mapping[str, float]
    busy: float

    def cost(self, later: Reading, *, jobs: int, seconds: float) -> Cost:
        """What lies between this reading and a later one, for each of `jobs`."""
        used = {name: later.seconds[name] - before for name, before in self.seconds.items()}
        return Cost(
            micros={name: value / jobs * 1e6 for name, value in used.items()},
            other_cores=max(0.0, later.busy - self.busy - sum(used.values())) / seconds,
        )


class Meter:
    """Of this process as the client, and of the families of other processes, each under a name."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = roots

    def read(self) -> Reading:
        own = resource.getrusage(resource.RUSAGE_SELF)
        seconds = {CLIENT: own.ru_utime + own.ru_stime}
        for name, pid in self._roots.items():
            seconds[name] = sum(map(_used, family.members(pid)))
        return Reading(seconds, _busy())


def pss_megabytes(pid: int) -> float:
    """Memory of a family: pages that several processes share are counted once, in parts."""
    return sum(map(_pss, family.members(pid))) / 1e6


def _used(pid: int) -> float:
    """Seconds of a process, with those of its children that have ended and were collected."""
    try:
        stat = Path("/proc", str(pid), "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):  # it ended; its parent counts it from now on
        return 0.0
    return sum(int(ticks) for ticks in stat.rpartition(")")[2].split()[11:15]) / TICKS


def _pss(pid: int) -> int:
    try:
        rollup = Path("/proc", str(pid), "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024


def _busy() -> float:
    user, nice, system, _, _, irq, softirq = (
        int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + irq + softirq) / TICKS
