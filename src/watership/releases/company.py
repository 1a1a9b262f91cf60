"""A company goes along with a release: those who measure, tell people, watch incidents, and never stand in its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from watership.durable.clock import Clock
from watership.durable.ids import RunId
from watership.releases.complaints import Complaints
from watership.releases.order import Release


class Companion(Protocol):
    """Works beside a release. It raises nothing: what goes wrong with it is in the audit."""

    async def run(self) -> None:
        """Until it is cancelled."""

    async def finish(self) -> None:
        """What is left to do once the release has ended, within a bound; `run` still runs."""


Beside = Callable[[RunId, Release], Sequence[Companion]]
"""Who goes along with a release, that run of it."""


def nobody(_: RunId, __: Release) -> Sequence[Companion]:
    return ()


class Regular:
    """A companion that looks every so often, and once more when the release has ended.

    What goes wrong is a complaint of its own.
    """

    def __init__(
        self, look_once: Callable[[], Awaitable[None]], every: float, *, complaints: Complaints, clock: Clock
    ) -> None:
        self._look_once = look_once
        self._every = every
        self._complaints = complaints
        self._clock = clock

    async def run(self) -> None:
        while True:
            await self._guarded()
            await self._clock.sleep(self._every)

    async def finish(self) -> None:
        await self._guarded()

    async def _guarded(self) -> None:
        try:
            await self._look_once()
        except Exception as error:  # noqa: BLE001 - a release goes on whatever becomes of its companions
            self._complaints.about(error)


@asynccontextmanager
async def together(companions: Sequence[Companion]) -> AsyncIterator[None]:
    """Let companions work while the block runs. At its end, whatever that is, they finish."""
    working = [asyncio.create_task(each.run(), name=type(each).__name__) for each in companions]
    try:
        try:
            yield
        finally:
            await asyncio.gather(*(each.finish() for each in companions))
    finally:
        for task in working:
            task.cancel()
        for task in working:
            with suppress(asyncio.CancelledError):
                await task
