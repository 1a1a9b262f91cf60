"""A family is a process with everything it started: signalled together, whatever groups its members made."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc/self/stat")


def members(pid: int) -> list[int]:
    """The process and its descendants, ancestors first."""
    children = _children()
    found = [pid]
    for member in found:  # grows while it is read
        found.extend(children[member])
    return found


def stop(pid: int) -> list[int]:
    """Freeze the family and return it. Whoever was started meanwhile is found by looking again."""
    stopped: list[int] = []
    while new := [member for member in members(pid) if member not in stopped]:
        for member in new:
            send(member, signal.SIGSTOP)
        stopped.extend(new)
    return stopped


def resume(pid: int) -> None:
    """Let a frozen family go on."""
    for member in members(pid):
        send(member, signal.SIGCONT)


def kill(pid: int) -> list[int]:
    """End the family at once. Frozen first, so that nobody gets away by being started in that moment."""
    family = stop(pid)
    for member in family:
        send(member, signal.SIGKILL)
    return family


def send(pid: int, number: signal.Signals) -> None:
    """Signal one process; one that has ended already needs no signal."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def running(pid: int) -> bool:
    """Whether the process runs. One that has ended does not, even before its parent has collected it."""
    return any(pid == member.pid and member.state != "Z" for member in _processes())


class _Member(NamedTuple):
    pid: int
    parent: int
    state: str


def _processes() -> list[_Member]:
    return _from_proc() if PROC.exists() else _from_ps()


def _children() -> defaultdict[int, list[int]]:
    children: defaultdict[int, list[int]] = defaultdict(list)
    for process in _processes():
        children[process.parent].append(process.pid)
    return children


def _from_proc() -> list[_Member]:
    processes = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path("/proc", entry, "stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        # The name, in brackets, may itself hold spaces and brackets; behind it stand the state and the parent.
        state, parent = stat.rpartition(")")[2].split()[:2]
        processes.append(_Member(int(entry), int(parent), state))
    return processes


def _from_ps() -> list[_Member]:
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,state="], capture_output=True, text=True, check=True
    )
    rows = map(str.split, listing.stdout.splitlines())
    return [_Member(int(pid), int(parent), state[0]) for pid, parent, state in rows]
