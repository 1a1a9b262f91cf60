"""Traffic at a constant rate, by clients that keep their connections and try nothing twice."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Self

import msgspec

from watership.demo.traffic.client import Client, NoAnswer

CLIENTS, SENDERS = 24, 2
RUNS_PER_SECOND = 8.0

BEHIND_SECONDS = 0.5
"""What was missed beyond this is not made up for."""


class Traffic:
    """`per_second` may be changed at any time."""

    def __init__(self, address: str, per_second: float) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host, int(port)
        self.per_second = per_second
        self.asked = self.failed = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._due: dict[str, float] = {}
        self._numbers = count(1)

    async def __aenter__(self) -> Self:
        self._tasks = [
            *(asyncio.create_task(self._work()) for _ in range(CLIENTS)),
            *(asyncio.create_task(self._send()) for _ in range(SENDERS)),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pace(self, what: str, rate: float) -> None:
        now = asyncio.get_running_loop().time()
        self._due[what] = max(self._due.get(what, now) + 1 / rate, now - BEHIND_SECONDS)
        await asyncio.sleep(max(0.0, self._due[what] - now))

    async def _work(self) -> None:
        client = Client(self._host, self._port)
        while True:
            await self._pace("work", self.per_second)
            self.asked += 1
            try:
                self.failed += (await client.request("GET", "/work")).status >= 500
            except NoAnswer:
                self.failed += 1

    async def _send(self) -> None:
        client = Client(self._host, self._port)
        while True:
            await self._pace("runs", RUNS_PER_SECOND)
            body = msgspec.json.encode({"agent": "task", "input": {"number": next(self._numbers)}})
            with suppress(NoAnswer):
                await client.request("POST", "/api/v1/messages", body)
