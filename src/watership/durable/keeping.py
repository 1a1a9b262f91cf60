"""Keeping on is what a background loop does: an error ends one turn of it, is noted, and the next turn comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from watership.durable.ports import Observer

PAUSE_SECONDS: Final = 1.0
"""After an error: short enough for what passes by itself, long enough to note what does not without a flood."""


async def keep(
    name: str,
    turn: Callable[[], Awaitable[None]],
    observer: Observer,
    *,
    pause: float = PAUSE_SECONDS,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> NoReturn:
    """Take turns until cancelled. Errors that are expected are `turn`'s own; what else comes is noted here."""
    while True:
        try:
            await turn()
        except Exception as error:  # noqa: BLE001 - told here; nobody would begin the loop again
            observer.note("turn failed", loop=name, reason=repr(error))
            await sleep(pause)
