"""An instance is one address of a slot: whether the router finds it healthy, and its idle connections."""

from __future__ import annotations

import asyncio
from collections import deque

from watership.adapters.proxy.wire import UpstreamWire, Wire

CONNECT_SECONDS = 2.0
"""An instance on the same network that takes longer to accept is as good as dead."""

IDLE_SECONDS = 4.0
"""Idle connections are closed before the instance does it (uvicorn: after 5 s): the race loses requests."""

FRESH_SECONDS = 1.0
"""What cannot be repeated rides only on connections used this recently, far from any server's idle limit."""

IDLE_COUNT = 64
"""Idle connections kept per instance."""

STRIKES = 3
"""Probes without an answer before an instance counts as unhealthy: a busy machine is slow, not dead."""


class Unreachable(Exception):
    """No connection could be made; nothing was sent."""


class Instance:
    """Connections to one address are made, lent and taken back here."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.address = address
        self.host = host.strip("[]")
        self.port = int(port)
        self.healthy = False
        self._strikes = 0
        self._idle: deque[UpstreamWire] = deque()

    def judge(self, *, answered: bool, ready: bool) -> None:
        """Take in a probe's outcome: a refusal counts at once, silence only when it repeats."""
        self._strikes = 0 if answered else self._strikes + 1
        if ready:
            self.healthy = True
        elif answered or self._strikes >= STRIKES:
            self.healthy = False

    def refuse(self) -> None:
        """A request could not connect: no need to wait for the next probe."""
        self.healthy = False

    async def connect(self, wires: set[Wire]) -> UpstreamWire:
        """A new connection. Raises Unreachable."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, wire = await loop.create_connection(
                    lambda: UpstreamWire(loop, wires), self.host, self.port
                )
        except (OSError, TimeoutError) as error:
            raise Unreachable from error
        return wire

    def idle(self, now: float, *, fresh: bool) -> UpstreamWire | None:
        """An idle connection that the instance will not close meanwhile, if there is one."""
        limit = now - (FRESH_SECONDS if fresh else IDLE_SECONDS)
        while self._idle:
            wire = self._idle.pop()
            if wire.transport.is_closing():
                continue
            if wire.idle_since >= limit:
                return wire
            self._idle.append(wire)
            return None
        return None

    def take_back(self, wire: UpstreamWire, now: float) -> None:
        """Keep a connection whose exchange is over for the next one."""
        if wire.transport.is_closing() or len(self._idle) >= IDLE_COUNT:
            wire.close()
            return
        wire.idle_since = now
        wire.deadline = float("inf")
        self._idle.append(wire)

    def close_idle(self, before: float) -> None:
        """Close connections that have been idle since before then: the longest idle ones stand first."""
        while self._idle and self._idle[0].idle_since < before:
            self._idle.popleft().close()
