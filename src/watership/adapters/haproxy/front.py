"""HAProxy and the agent beside it, as one: what an environment starts in place of the embedded proxy."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from watership.adapters.haproxy.agent import HaproxyAgent
from watership.adapters.haproxy.program import HaproxyProgram
from watership.adapters.haproxy.runtime import Runtime
from watership.durable.ports import Observer
from watership.errors import Unavailable

START_SECONDS: Final = 10.0
"""HAProxy answers within a tenth of a second after its start; on a busy machine within a few."""

REVIVE_SECONDS: Final = 0.1
"""Between two looks whether it runs."""


class HaproxyFront:
    """`async with HaproxyFront(program, …) as front`: it listens, is steered at `control`, and is revived when it dies.

    Leaving it lets HAProxy finish and end, unless `leave_running`: an agent that is replaced takes no request down.
    """

    def __init__(
        self,
        program: HaproxyProgram,
        *,
        state: Path,
        control: Path,
        observer: Observer,
        leave_running: bool = False,
    ) -> None:
        self.program = program
        self.agent = HaproxyAgent(
            state,
            runtime=program.socket,
            seating=program.seating,
            log=program.log,
            observer=observer,
            control=control,
            health=program.health,
        )
        self._observer = observer
        self._leave_running = leave_running

    @property
    def address(self) -> str:
        return self.program.listen

    async def __aenter__(self) -> Self:
        if not await asyncio.to_thread(self.program.ensure):
            await asyncio.to_thread(self.program.renew)
        await self._answers()
        await self.agent.__aenter__()
        self._reviving = asyncio.create_task(self._revive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reviving.cancel()
        await asyncio.gather(self._reviving, return_exceptions=True)
        if not self._leave_running:
            self.program.stop()
            deadline = time.monotonic() + self.program.grace_seconds
            while self.program.runs and time.monotonic() < deadline:
                await asyncio.sleep(REVIVE_SECONDS)
            self.program.kill()
        await self.agent.__aexit__(kind, error, trace)

    async def _answers(self) -> None:
        runtime = Runtime(self.program.socket)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                await runtime.look()
                return
            except Unavailable as error:
                if time.monotonic() > deadline or not self.program.runs:
                    raise Unavailable(
                        f"HAProxy did not start: {self.program.last_words() or error}.",
                        fix=f"Look at {self.program.folder / 'haproxy.log'}.",
                    ) from None
            await asyncio.sleep(0.02)

    async def _revive(self) -> None:
        while True:
            await asyncio.sleep(REVIVE_SECONDS)
            try:
                if await asyncio.to_thread(self.program.ensure):
                    self._observer.note("router revived", pid=self.program.pid)
            except (Unavailable, OSError) as error:
                self._observer.note("router not revived", why=str(error))
                await asyncio.sleep(1.0)
