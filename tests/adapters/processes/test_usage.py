"""What processes use is read from this machine, and what is gone is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from watership.adapters.processes.usage import ProcessUsage

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="This system has no /proc.")

BUSY = "data = bytearray(b'x' * 64 * 1024 * 1024); print(flush=True)\nwhile True: pass"


@pytest.fixture(scope="module")
def busy() -> Iterator[int]:
    """A process that takes 64 MiB, and all of a processor that it gets."""
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.fixture
def gone() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


async def test_a_busy_process_is_told_from_a_calm_one(busy: int) -> None:
    used = await ProcessUsage().of([busy, os.getpid()], seconds=0.3)

    assert used.processes[busy].cpu > used.processes[os.getpid()].cpu
    assert 64 * 2**20 < used.processes[busy].memory < used.memory


async def test_a_process_that_is_gone_is_not_there(busy: int, gone: int) -> None:
    assert set((await ProcessUsage().of([busy, gone], seconds=0.05)).processes) == {busy}
