"""The load of this machine, as its kernel counts it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import psutil

from watership.errors import BadInput, Unavailable
from watership.releases.instruments import MachineLoad

LONGEST: Final = 60.0
"""Seconds that the CPU is looked at: a check does not watch."""


class LocalMachine:
    """Machine by psutil; the disk is the one that `root` is on. In a container most of it is the host's."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def load(self, *, seconds: float = 0.5) -> MachineLoad:
        if not 0 < seconds <= LONGEST:
            raise BadInput(f"The CPU is looked at for more than 0 s and {LONGEST:g} s at most.")
        try:
            return await asyncio.to_thread(self._load, seconds)
        except (OSError, psutil.Error, RuntimeError) as reason:
            raise Unavailable(f"This machine does not tell its load: {reason}.") from reason

    def _load(self, seconds: float) -> MachineLoad:
        cpu = psutil.cpu_percent(seconds) / 100
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(self._root))
        disks, network = psutil.disk_io_counters(), psutil.net_io_counters()
        if disks is None or network is None:
            raise Unavailable("This machine does not tell what its disks and networks have carried.")
        return MachineLoad(
            cpu=cpu,
            memory=(memory.total - memory.available) / memory.total,
            disk=disk.used / (disk.used + disk.free),
            read_bytes=disks.read_bytes,
            written_bytes=disks.write_bytes,
            received_bytes=network.bytes_recv,
            sent_bytes=network.bytes_sent,
        )
