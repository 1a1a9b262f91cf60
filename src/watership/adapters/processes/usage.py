"""What processes of this machine use, as Linux tells it in /proc."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from watership.errors import Unavailable
from watership.releases.service.dashboard import ProcessUse, Used

PROC: Final = Path("/proc")
GROUPS: Final = Path("/sys/fs/cgroup")

LEAST_SECONDS: Final = 0.05
"""CPU time is counted in hundredths of a second: over less it says nothing."""


class _Spent(NamedTuple):
    """Seconds of CPU by a process that began at `began` (ticks since boot): a number may be given to another one."""

    began: int
    seconds: float
    read_at: float


class ProcessUsage:
    """Usage, by /proc. Raises Unavailable on a system without it."""

    async def of(self, pids: Sequence[int], *, seconds: float) -> Used:
        if not (PROC / "self/stat").exists():
            raise Unavailable("This system has no /proc, in which processes tell what they use.")
        before = {pid: _spent(pid) for pid in pids}
        await asyncio.sleep(max(seconds, LEAST_SECONDS))
        processes = {}
        for pid, first in before.items():
            last, memory = _spent(pid), _memory(pid)
            if first is None or last is None or memory is None or first.began != last.began:
                continue
            cpu = (last.seconds - first.seconds) / (last.read_at - first.read_at)
            processes[pid] = ProcessUse(memory=memory, cpu=cpu)
        return Used(processes=processes, memory=min(_limits(pids)))


def _spent(pid: int) -> _Spent | None:
    """The CPU time of a process up to now; None when it is gone."""
    text = _text(PROC / str(pid) / "stat")
    if text is None:
        return None
    # The program's name stands in brackets, and may hold brackets and blanks itself.
    fields = text.rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return _Spent(int(fields[19]), ticks / os.sysconf("SC_CLK_TCK"), time.monotonic())


def _memory(pid: int) -> int | None:
    """Bytes in memory, those that it shares with others by its part; all of them where the kernel does not divide."""
    found = _kilobytes(PROC / str(pid) / "smaps_rollup", "Pss:")
    return found if found is not None else _kilobytes(PROC / str(pid) / "status", "VmRSS:")


def _limits(pids: Sequence[int]) -> Iterator[int]:
    """What the machine has, and what the groups of the processes may take."""
    total = _kilobytes(PROC / "meminfo", "MemTotal:")
    if total is None:
        raise Unavailable("This system does not say how much memory it has.")
    yield total
    for pid in pids:
        text = _text(PROC / str(pid) / "cgroup") or ""
        path = next((line[3:] for line in text.splitlines() if line.startswith("0::")), "")
        group = GROUPS / path.lstrip("/")
        for each in (group, *group.parents):
            if not each.is_relative_to(GROUPS):
                break
            limit = (_text(each / "memory.max") or "").strip()
            if limit.isdigit():
                yield int(limit)


def _kilobytes(path: Path, name: str) -> int | None:
    lines = (_text(path) or "").splitlines()
    found = next((line.split()[1] for line in lines if line.startswith(name)), None)
    return None if found is None else int(found) * 1024


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
