"""A company goes along with a release: those who measure, tell people, watch incidents, and never stand in its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from watership.releases.order import Release


class Companion(Protocol):
    """Works beside a release. It raises nothing: what goes wrong with it is in the audit."""

    async def run(self) -> None:
        """Until it is cancelled."""

    async def finish(self) -> None:
        """What is left to do once the release has ended, within a bound; `run` still runs."""


Beside = Callable[[Release], Sequence[Companion]]
"""Who goes along with a release."""


def nobody(_: Release) -> Sequence[Companion]:
    return ()


@asynccontextmanager
async def together(companions: Sequence[Companion]) -> AsyncIterator[None]:
    """Let companions work while the block runs. They finish when it ends well; when it does not, they stop at once."""
    working = [asyncio.create_task(each.run(), name=type(each).__name__) for each in companions]
    try:
        yield
        await asyncio.gather(*(each.finish() for each in companions))
    finally:
        for task in working:
            task.cancel()
        for task in working:
            with suppress(asyncio.CancelledError):
                await task
