"""A throttle has model calls wait for their turn, by the quotas of their models, and no longer than is bearable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from watership.durable.clock import Clock
from watership.durable.ports import Observer
from watership.errors import Unavailable
from watership.fleet.turnstile import PLACE_SECONDS, Quota, Turnstile

WAIT_SECONDS: Final = 30.0
"""How long a call waits in its step, which holds its worker's slot. Then the step fails, its retry parks the run, and
the slot is free for another."""

BUSY_SECONDS: Final = 1.0
"""How long a model is left alone whose provider said that it is too much, and not for how long."""

ANY: Final = "*"
"""The quota of each model that has none of its own."""

UNLIMITED: Final = Quota()


class Throttled(Unavailable):
    """A model call was not made, because the model's quota left no room for it in time."""

    code = "throttled"


class Passage:
    """One call that was let through. `used`: how many tokens it turned out to take."""

    def __init__(self, tokens: int) -> None:
        self.used = self.expected = tokens


class Throttle:
    """Of one process. Models with a quota are counted by `shared`; others only keep away while a provider asks it."""

    def __init__(
        self,
        quotas: Mapping[str, Quota],
        *,
        shared: Turnstile,
        own: Turnstile,
        clock: Clock,
        observer: Observer,
        new_id: Callable[[], str],
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._quotas = quotas
        self._shared = shared
        self._own = own
        self._clock = clock
        self._observer = observer
        self._new_id = new_id
        self._wait_seconds = wait_seconds

    @asynccontextmanager
    async def passing(self, model: str, tokens: int) -> AsyncIterator[Passage]:
        """Wait until a call of `model` may be made, and count it for the length of the block.

        Raises Throttled when there was no room in `wait_seconds`.
        """
        quota, turnstile = self._of(model)
        place = self._new_id()
        await self._enter(turnstile, model, place, quota, tokens)
        passage = Passage(tokens)
        keeper = asyncio.create_task(self._keep(turnstile, model, place))
        try:
            yield passage
        finally:
            keeper.cancel()
            await turnstile.leave(model, place, passage.used - passage.expected)

    async def busy(self, model: str, seconds: float | None) -> None:
        """A provider said that it is too much, and perhaps for how long: no call of the model is made meanwhile."""
        self._observer.note("model busy", model=model, seconds=seconds)
        _, turnstile = self._of(model)
        await turnstile.close(model, seconds or BUSY_SECONDS)

    def _of(self, model: str) -> tuple[Quota, Turnstile]:
        quota = self._quotas.get(model) or self._quotas.get(ANY) or UNLIMITED
        return quota, self._own if quota == UNLIMITED else self._shared

    async def _enter(self, turnstile: Turnstile, model: str, place: str, quota: Quota, tokens: int) -> None:
        began = self._clock.monotonic()
        waited = False
        while wait := await turnstile.enter(model, place, quota, tokens):
            if not waited:
                waited = True
                self._observer.note("model call waits", model=model)
            if self._clock.monotonic() + wait - began > self._wait_seconds:
                self._observer.note("model call throttled", model=model)
                raise Throttled(
                    f"The quota of model {model} left no room for a call in {self._wait_seconds:g} s.",
                    fix=f'Raise [models."{model}"] in the settings, if its provider allows more.',
                    retry_after=wait,
                )
            await self._clock.sleep(wait)

    async def _keep(self, turnstile: Turnstile, model: str, place: str) -> None:
        while True:
            await self._clock.sleep(PLACE_SECONDS / 3)
            await turnstile.keep(model, place)


_registered: Throttle | None = None


def use_throttle(throttle: Throttle | None) -> Throttle | None:
    """Have this process' model calls go through `throttle`; the one before is returned. For wiring."""
    global _registered
    before, _registered = _registered, throttle
    return before


def throttle() -> Throttle | None:
    """That of this process; None where calls are not throttled."""
    return _registered
