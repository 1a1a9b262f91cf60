"""The nemesis does what the schedule says, and writes down what it did."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Protocol, TypeVar

import msgspec

from tests.journeys.engine.crew import Crew, Role
from tests.journeys.engine.faults import Fault, Server, Strike
from tests.journeys.engine.front_door import FrontDoor
from tests.journeys.engine.stage import Stage
from watership.testing.link import Link

T = TypeVar("T")

SLOW_SECONDS = 0.15
"""One way; a transaction of some round trips then takes most of a second."""

RESET_AFTER_BYTES = 1_500
"""Into the middle of somebody's message, soon."""


class Servers(Protocol):
    """What can be done to the servers; nothing of it blocks the loop."""

    async def strike(self, strike: Strike) -> None: ...

    async def left(self) -> dict[str, int]: ...

    def front_door(self, random: Random, rate: float) -> FrontDoor: ...


class Nemesis:
    """`struck` counts the faults that took effect, by name."""

    def __init__(self, crew: Crew, stage: Stage, servers: Servers | None, folder: Path) -> None:
        self.struck: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        """Faults that found nobody: between two lives of a process."""
        self._crew = crew
        self._stage = stage
        self._servers = servers
        self._log = (folder / "faults.jsonl").open("ab", buffering=0)
        self._stopping = False

    def stop(self) -> None:
        """Not another one. The present one is seen to its end."""
        self._stopping = True

    async def strike_all(self, strikes: Iterator[Strike]) -> None:
        """One after the other, until it is stopped."""
        for strike in strikes:
            await asyncio.sleep(strike.pause)
            if self._stopping:
                return
            began = time.time()
            took = await self._strike(strike)
            (self.struck if took else self.missed)[strike.name] += 1
            line = {"at": began, "seconds": time.time() - began, "took": took, "strike": strike}
            self._log.write(msgspec.json.encode(line) + b"\n")

    async def _strike(self, strike: Strike) -> bool:
        match strike.fault:
            case Fault.WORKER_KILLED:
                return self._crew.kill(_one(self._crew.workers, strike))
            case Fault.SERVE_KILLED:
                return self._crew.kill(_one(self._crew.services, strike))
            case Fault.WORKER_FROZEN:
                return await self._crew.freeze(_one(self._crew.workers, strike), strike.seconds)
            case Fault.SERVE_FROZEN:
                return await self._crew.freeze(_one(self._crew.services, strike), strike.seconds)
            case _ if strike.server is not None:
                await self._ail(self._links(strike, strike.server), strike)
                return True
            case _:
                assert self._servers is not None
                await self._servers.strike(strike)
                return True

    def _links(self, strike: Strike, server: Server) -> list[Link]:
        roles: Sequence[Role] = self._crew.roles if strike.everywhere else [_one(self._crew.roles, strike)]
        return [self._stage.link(role.name, server) for role in roles]

    async def _ail(self, links: Sequence[Link], strike: Strike) -> None:
        for link in links:
            match strike.fault:
                case Fault.LINK_CUT:
                    link.cut()
                case Fault.LINK_SLOW:
                    link.become(latency=SLOW_SECONDS)
                case Fault.LINK_HELD:
                    link.become(held=True)
                case Fault.LINK_HALF_OPEN:
                    link.become(half_open=True)
                case Fault.LINK_RESET:
                    link.become(reset_after=RESET_AFTER_BYTES)
                case Fault.LINK_REFUSED:
                    link.become(refused=True)
                    link.cut()
                case _:
                    raise AssertionError(f"{strike.fault} is not of a link")
        await asyncio.sleep(strike.seconds)
        for link in links:
            link.become()

    def close(self) -> None:
        self._log.close()


def _one(of: Sequence[T], strike: Strike) -> T:
    return of[int(strike.pick * len(of))]
