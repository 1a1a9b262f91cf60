"""Machines of a test: a real sshd at several addresses of loopback, where programs record what they are told."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.adapters.machines.docker import Docker
from tests.adapters.machines.listener import Listener
from tests.adapters.machines.program import Program, Switchboard
from tests.adapters.machines.systemctl import Systemd
from watership.adapters.ssh.reach import Reach
from watership.fleet.build import Build
from watership.testing.servers.sshd import SshServer

PROGRAMS: Final = ("docker", "systemctl")


class Machines:
    """`count` machines, each with an address of loopback. What they need stands in `place`."""

    def __init__(self, place: Path, count: int) -> None:
        self.registry: dict[str, Build] = {}
        self.board = Switchboard(self._program)
        self._bin = place / "bin"
        self._bin.mkdir()
        for name in PROGRAMS:
            (self._bin / name).write_text(self.board.client)
            (self._bin / name).chmod(0o755)
        # Of this process: others may have machines with the same ports at the same time.
        process = os.getpid()
        network = f"127.{20 + process % 200}.{process // 200 % 250}"
        names = [f"{network}.{number + 1}" for number in range(count)]
        path = {"PATH": f"{self._bin}:{os.environ['PATH']}"}
        self.server = SshServer(place / "sshd", machines=names, variables=path)
        self.first_port = _free_range()
        self._programs: dict[tuple[str, str], Docker | Systemd] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return self.server.machines

    @property
    def folder(self) -> str:
        """What each machine has for itself."""
        return f"{self.server.disk}/watership"

    @property
    def reach(self) -> Reach:
        server = self.server
        return Reach(
            user=server.login, port=server.port, key=str(server.key), known_hosts=str(server.known_hosts)
        )

    def calls(self, machine: str) -> list[list[str]]:
        """What was called there, in order."""
        return list(self.board.calls.get(machine, ()))

    @contextmanager
    def faulty(self, machine: str, words: str, fault: str | threading.Event) -> Iterator[None]:
        """A call that contains these words fails there with others for a while, or waits."""
        self.board.faults[machine, words] = fault
        try:
            yield
        finally:
            del self.board.faults[machine, words]

    def docker(self, machine: str) -> Docker:
        found = self._program(machine, "docker")
        assert isinstance(found, Docker)
        return found

    def systemd(self, machine: str) -> Systemd:
        found = self._program(machine, "systemctl")
        assert isinstance(found, Systemd)
        return found

    def instances(self) -> dict[str, Listener]:
        """By name, on whatever machine."""
        found: dict[str, Listener] = {}
        for program in self._programs.values():
            found |= program.instances()
        return found

    def kill(self, name: str) -> None:
        for program in self._programs.values():
            if name in program.instances():
                program.kill(name)

    def sweep(self) -> None:
        """End every instance, and leave nothing on the machines' disks."""
        for program in self._programs.values():
            program.end()
        self._programs.clear()
        self.board.calls.clear()
        for disk in map(self.server.disk_of, self.names):
            shutil.rmtree(disk, ignore_errors=True)
            disk.mkdir()

    def _program(self, machine: str, name: str) -> Program:
        if (machine, name) not in self._programs:
            disk, seen = self.server.disk_of(machine), self.server.disk
            self._programs[machine, name] = (
                Docker(disk, seen, self.registry) if name == "docker" else Systemd(disk, seen)
            )
        return self._programs[machine, name]


def _free_range() -> int:
    """A port from which on all that two slots need are free, as far as one can know."""
    # Between what `free_port` gives to others, and what connections take for themselves.
    return random.SystemRandom().randrange(32_100, 32_500)


@contextmanager
def machines(count: int) -> Iterator[Machines]:
    with tempfile.TemporaryDirectory(prefix="watership-machines-") as place:
        there = Machines(Path(place), count)
        try:
            with there.server:
                yield there
        finally:
            there.sweep()
            there.board.close()


def image_of(build: Build) -> str:
    return f"registry.example/app@sha256:{build.version.encode().hex():0<64}"
