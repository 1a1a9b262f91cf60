"""A turnstile lets so many calls of one model through at a time, and so many, with so many tokens, in a minute."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from watership.errors import Unavailable

MINUTE: Final = 60.0

PLACE_SECONDS: Final = 30.0
"""How long a place is kept for a holder that says nothing more: that of one that died is free then."""

FULL_SECONDS: Final = 0.1
"""When to ask again where all places are taken: a model call takes seconds, and nobody is told that one has ended."""

SPENT_SECONDS: Final = 1.0
"""When to ask again where the minute's share is used up."""

CLOSED_MOST: Final = 300.0
"""Seconds that a turnstile is closed at most by one word of a provider."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model; 0 is no limit."""

    concurrency: int = 0
    requests_per_minute: int = 0
    tokens_per_minute: int = 0


class Turnstile(Protocol):
    """Counts calls by model. A shared one raises Unavailable when it does not answer, within a second or so.

    Windows slide, as those of a Limiter do: what fits is estimated from this minute's count and the last one's.
    """

    async def enter(self, model: str, place: str, quota: Quota, tokens: int) -> float:
        """0 if `place` is let through and counted; else the seconds after which to ask again, nothing counted."""

    async def keep(self, model: str, place: str) -> None:
        """The holder of `place` is still there."""

    async def leave(self, model: str, place: str, more: int) -> None:
        """Give the place back, however often. `more`: tokens that were used beyond those of `enter`; below 0: fewer."""

    async def close(self, model: str, seconds: float) -> None:
        """Let nobody through for so long, as a provider asked."""


class DegradingTurnstile:
    """A shared one, and while it does not answer, this process's own: then each process allows the quota."""

    def __init__(self, shared: Turnstile, own: Turnstile) -> None:
        self._shared = shared
        self._own = own

    async def enter(self, model: str, place: str, quota: Quota, tokens: int) -> float:
        try:
            return await self._shared.enter(model, place, quota, tokens)
        except Unavailable:
            return await self._own.enter(model, place, quota, tokens)

    async def keep(self, model: str, place: str) -> None:
        try:
            await self._shared.keep(model, place)
        except Unavailable:
            await self._own.keep(model, place)

    async def leave(self, model: str, place: str, more: int) -> None:
        """From both: it may have entered by either."""
        await self._own.leave(model, place, more)
        try:
            await self._shared.leave(model, place, more)
        except Unavailable:
            return  # its place there is free when its time is over

    async def close(self, model: str, seconds: float) -> None:
        await self._own.close(model, seconds)
        try:
            await self._shared.close(model, seconds)
        except Unavailable:
            return  # the others hear it from the provider themselves
