"""Starving is to be ended by the system for want of memory: it says so by a kill that nobody ordered, and a count."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Final

from watership.adapters.processes.life import BY_SIGNAL

VMSTAT: Final = Path("/proc/vmstat")
"""Where Linux counts what it ended for want of memory, of the machine's and of a group's."""

KILLED: Final = BY_SIGNAL + signal.SIGKILL


class Starvation:
    """Tells a kill by the system from one by somebody. `vmstat`: where it counts its own."""

    def __init__(self, vmstat: Path = VMSTAT) -> None:
        self._vmstat = vmstat
        self._before = self._count()

    def note(self) -> None:
        """All is well up to now: what the system has ended so far was something else."""
        self._before = self._count()

    def caused(self, code: int) -> bool:
        """Whether a process that ended with `code`, and was told to by nobody that we know, starved. Where the system
        does not count its own kills, every such kill is taken for one."""
        before, self._before = self._before, self._count()
        if code != KILLED:
            return False
        return before is None or self._before is None or self._before > before

    def _count(self) -> int | None:
        try:
            found = re.search(r"^oom_kill (\d+)$", self._vmstat.read_text(encoding="ascii"), re.MULTILINE)
        except (OSError, UnicodeDecodeError):
            return None
        return int(found[1]) if found else None
