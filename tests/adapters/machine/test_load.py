"""The load of the machine that runs the tests."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from watership.adapters.machine.load import LocalMachine
from watership.errors import BadInput


async def test_shares_are_shares_and_counters_grow(tmp_path: Path) -> None:
    before = await LocalMachine(tmp_path).load(seconds=0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        client.sendall(b"x" * 10_000)
    after = await LocalMachine(tmp_path).load(seconds=0.05)
    for share in (after.cpu, after.memory, after.disk):
        assert 0 <= share <= 1
    assert after.memory > 0
    assert after.sent_bytes >= before.sent_bytes + 10_000
    assert after.written_bytes >= before.written_bytes


async def test_a_busy_cpu_is_seen(tmp_path: Path) -> None:
    until = time.monotonic() + 0.3

    def spin() -> None:
        while time.monotonic() < until:
            pass

    busy = threading.Thread(target=spin)
    busy.start()
    assert (await LocalMachine(tmp_path).load(seconds=0.2)).cpu > 0
    busy.join()


async def test_a_time_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for seconds in (0.0, -1.0, 3600.0):
        with pytest.raises(BadInput):
            await LocalMachine(tmp_path).load(seconds=seconds)
