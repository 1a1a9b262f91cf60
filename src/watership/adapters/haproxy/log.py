"""HAProxy's log, a datagram for each request, counted into traffic as the release's gate reads it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from watership.adapters.haproxy import configuration
from watership.adapters.helm.traffic import Traffic
from watership.adapters.unixline.calls import socket_path
from watership.fleet.deployment import Slot

NOBODY: Final = "<NOSRV>"
"""The seat of a request that no instance took."""


class RequestLog(asyncio.DatagramProtocol):
    """Listens on `log_paths(path)`. A request counts in the second in which its line comes: a second told is over.

    `lines` without a seat count for the slot that `heavier` names: nobody had taken them, and it should have.
    """

    def __init__(self, path: Path, traffic: Mapping[Slot, Traffic], heavier: Callable[[], Slot]) -> None:
        self._paths = configuration.log_paths(path)
        self._transports: list[asyncio.DatagramTransport] = []
        self._traffic = traffic
        self._heavier = heavier

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for path in self._paths:
            path.unlink(missing_ok=True)
            line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            line.setblocking(False)
            line.bind(socket_path(path))
            transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=line)
            self._transports.append(transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport, path in zip(self._transports, self._paths, strict=True):
            transport.close()
            path.unlink(missing_ok=True)

    def datagram_received(self, data: bytes, addr: object) -> None:
        match data.decode("ascii", errors="replace").split():
            case [configuration.MARK, seat, status, queued, connecting, answering, ending]:
                self._count(seat, status, (queued, connecting, answering), ending)

    def _count(self, seat: str, status: str, waits: Sequence[str], ending: str) -> None:
        answered = int(waits[-1]) >= 0
        if not answered and ending.startswith("C"):
            return  # the client left before there was an answer: nobody knows what it would have been
        if ending.startswith("L"):
            return  # told by a pause to come again: that is no slot's doing
        slot = self._heavier() if seat == NOBODY else Slot(seat.rstrip("0123456789"))
        seconds = sum(max(0, int(part)) for part in waits) / 1000
        self._traffic[slot].add(int(time.time()), seconds, failed=not answered or int(status) >= 500)
