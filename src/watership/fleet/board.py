"""The board shows the flags as they were at most a few seconds ago, to whoever asks within this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Self

from watership.durable.clock import Clock
from watership.durable.ports import Bell, Observer
from watership.errors import WatershipError
from watership.fleet.flags import FLAGS_TOPIC, Flag, Flags

LOOK_SECONDS: Final = 2.0
"""Between two looks. A change is to reach every process within 5 s, one lost look included."""

LATE_SECONDS: Final = 5.0
"""What was last seen longer ago than this is told as stale."""

READ_SECONDS: Final = 2.0
"""How long one look may take."""


class FlagBoard:
    """Reads all flags again and again; asking it costs no I/O. Open it, and close it.

    While the store does not answer, what was last seen stays in force: a flag must not flip because of that.
    """

    def __init__(self, flags: Flags, bell: Bell, clock: Clock, observer: Observer) -> None:
        self._flags = flags
        self._bell = bell
        self._clock = clock
        self._observer = observer
        self._seen: Mapping[str, Flag] | None = None
        self._seen_at = 0.0
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.look()
        self._task = asyncio.create_task(self._watch(), name="flag board")
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    @property
    def ready(self) -> bool:
        """Whether the flags were ever seen."""
        return self._seen is not None

    @property
    def late(self) -> bool:
        """Whether what is shown may be older than a change is allowed to be."""
        return self._clock.monotonic() - self._seen_at > LATE_SECONDS

    def get(self, name: str) -> Flag | None:
        """The flag as last seen; None when there is no such flag."""
        return None if self._seen is None else self._seen.get(name)

    async def look(self) -> None:
        """Read all flags now. A store that does not answer is noted, once until it does again."""
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(READ_SECONDS):
                flags = await self._flags.flags()
        except (WatershipError, TimeoutError) as error:
            if not self._failing:
                self._observer.note("flags not read", error=type(error).__name__)
            self._failing = True
            return
        self._failing = False
        self._seen, self._seen_at = {flag.name: flag for flag in flags}, began

    async def _watch(self) -> None:
        while True:
            await self._bell.wait(frozenset({FLAGS_TOPIC}), LOOK_SECONDS)
            await self.look()
