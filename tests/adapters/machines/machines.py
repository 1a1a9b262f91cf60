"""Machines of a test: a real sshd at several addresses of loopback, where programs record what they are told."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from watership.adapters.ssh.reach import Reach
from watership.testing.servers.sshd import SshServer

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PROGRAMS = ("docker", "systemctl")


class Machines:
    """`records` is where the programs keep what they were told, a folder for each machine."""

    def __init__(self, server: SshServer, records: Path) -> None:
        self.server = server
        self.records = records

    @property
    def names(self) -> tuple[str, ...]:
        return self.server.machines

    @property
    def reach(self) -> Reach:
        server = self.server
        return Reach(
            user=server.login,
            port=server.port,
            key=str(server.key),
            known_hosts=str(server.known_hosts),
        )

    def calls(self, machine: str) -> list[list[str]]:
        """What was called there, in order."""
        file = self.records / machine / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def forget(self) -> None:
        """Let no machine have been called."""
        for name in self.names:
            (self.records / name / "calls").unlink(missing_ok=True)

    @contextmanager
    def faulty(self, machine: str, faults: Mapping[str, str]) -> Iterator[None]:
        """Calls that contain certain words fail there with others for a while, or `hang`."""
        file = self.records / machine / "faults.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(faults))
        try:
            yield
        finally:
            file.unlink()

    def sweep(self) -> None:
        """End every process that the programs started, and forget all."""
        for state in (*self.records.glob("*/*.container"), *self.records.glob("*/*.unit")):
            with suppress(ProcessLookupError):
                os.kill(json.loads(state.read_text())["pid"] or 0, signal.SIGKILL)
            state.unlink()
        self.forget()


@contextmanager
def machines(count: int) -> Iterator[Machines]:
    """`count` machines: 127.0.0.1, 127.0.0.2 and so on."""
    with tempfile.TemporaryDirectory(prefix="watership-machines-") as place:
        programs, records = Path(place) / "bin", Path(place) / "records"
        programs.mkdir()
        records.mkdir()
        for name in PROGRAMS:
            words = f"exec {sys.executable} {HERE / name}.py"
            (programs / name).write_text(f'#!/bin/sh\n{words} "$@"\n')
            (programs / name).chmod(0o755)
        variables = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "RECORDS": str(records),
        }
        names = [f"127.0.0.{number + 1}" for number in range(count)]
        with SshServer(machines=names, variables=variables) as server:
            there = Machines(server, records)
            try:
                yield there
            finally:
                there.sweep()
