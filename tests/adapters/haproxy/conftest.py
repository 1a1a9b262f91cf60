"""A HAProxy with its agent between two backends, and ways past the agent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.contracts.http_peers import Backend
from tests.notes import Notes
from watership.adapters.haproxy.front import HaproxyFront
from watership.adapters.haproxy.program import HaproxyProgram
from watership.adapters.helm.router import HelmRouter
from watership.fleet.deployment import Slot
from watership.testing.servers.ports import free_port

BLUE, GREEN = Slot.BLUE, Slot.GREEN


class Stand:
    """A HAProxy with its agent between two backends."""

    def __init__(self, folder: Path) -> None:
        self.blue, self.green = Backend("blue"), Backend("green")
        self.notes = Notes()
        self.program = HaproxyProgram(folder / "haproxy", listen=f"127.0.0.1:{free_port()}", grace_seconds=1)
        self.control, self.state = folder / "router.sock", folder / "router.json"
        self.router = HelmRouter(self.control)

    def front(self, *, leave_running: bool = False) -> HaproxyFront:
        return HaproxyFront(
            self.program,
            state=self.state,
            control=self.control,
            observer=self.notes,
            leave_running=leave_running,
        )

    async def targeted(self) -> None:
        for slot, backend in ((BLUE, self.blue), (GREEN, self.green)):
            await self.router.set_targets(slot, [backend.address], epoch=1)

    def tell(self, command: str) -> str:
        """An order past the agent, as somebody gives it who does not know of it."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.program.socket))
            line.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: line.recv(65_536), b"")).decode()

    def weight(self, seat: str) -> Callable[[], Awaitable[int]]:
        """What HAProxy itself says of a seat's weight."""

        async def shown() -> int:
            said = await asyncio.to_thread(self.tell, f"get weight watership/{seat}")
            return int(said.split()[0])

        return shown


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    stand = Stand(tmp_path)
    await stand.blue.listen()
    await stand.green.listen()
    yield stand
    stand.program.kill()
    await stand.blue.die()
    await stand.green.die()
