"""A company goes along with a release: those who measure, tell people, watch incidents, and never stand in its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

from watership.durable.clock import Clock
from watership.durable.ids import RunId
from watership.releases.auditing.audit import Audit
from watership.releases.order import Release

COMPLAINTS_SECONDS: Final = 60.0


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

    What goes wrong is in the audit: the same trouble once a minute.
    """

    def __init__(
        self, name: str, look_once: Callable[[], Awaitable[None]], every: float, *, audit: Audit, clock: Clock
    ) -> None:
        self._name = name
        self._look_once = look_once
        self._every = every
        self._audit = audit
        self._clock = clock
        self._last: tuple[str, float] = ("", float("-inf"))

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
            self._complain(f"{type(error).__name__}: {error}"[:1000])

    def _complain(self, problem: str) -> None:
        before, at = self._last
        now = self._clock.monotonic()
        if problem != before or now - at >= COMPLAINTS_SECONDS:
            self._last = (problem, now)
            self._audit.append(self._name, "companion.failed", {"problem": problem})


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
