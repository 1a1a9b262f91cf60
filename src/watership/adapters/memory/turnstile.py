"""A turnstile for the tasks of one event loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from watership.durable.clock import Clock
from watership.fleet.limit import Window, weight
from watership.fleet.turnstile import CLOSED_MOST, FULL_SECONDS, MINUTE, PLACE_SECONDS, SPENT_SECONDS, Quota


@dataclass(slots=True)
class _Model:
    closed_until: float = 0.0
    places: dict[str, float] = field(default_factory=dict)
    """When each runs out."""
    number: int = 0
    before: Mapping[str, int] = field(default_factory=dict)
    now: dict[str, int] = field(default_factory=lambda: {"requests": 0, "tokens": 0})


class MemoryTurnstile:
    """A Turnstile. It keeps as many models as the application's agents name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._models: dict[str, _Model] = {}

    async def enter(self, model: str, place: str, quota: Quota, tokens: int) -> float:
        kept, now = self._models.setdefault(model, _Model()), self._clock.monotonic()
        if kept.closed_until > now:
            return kept.closed_until - now
        kept.places = {each: until for each, until in kept.places.items() if until > now}
        if quota.concurrency and len(kept.places) >= quota.concurrency:
            return FULL_SECONDS
        elapsed = _turn(kept, now)
        shares = {"requests": (quota.requests_per_minute, 1), "tokens": (quota.tokens_per_minute, tokens)}
        for what, (limit, amount) in shares.items():
            window = Window(kept.before.get(what, 0), kept.now[what], elapsed)
            # One that is larger than a whole minute's share goes when nothing else does.
            if limit and weight(window) + min(amount, limit) > limit:
                return SPENT_SECONDS
        for what, (_, amount) in shares.items():
            kept.now[what] += amount
        kept.places[place] = now + PLACE_SECONDS
        return 0.0

    async def keep(self, model: str, place: str) -> None:
        self._models.setdefault(model, _Model()).places[place] = self._clock.monotonic() + PLACE_SECONDS

    async def leave(self, model: str, place: str, more: int) -> None:
        kept = self._models.get(model)
        if kept is not None and kept.places.pop(place, None) is not None:
            _turn(kept, self._clock.monotonic())
            kept.now["tokens"] = max(0, kept.now["tokens"] + more)

    async def close(self, model: str, seconds: float) -> None:
        kept = self._models.setdefault(model, _Model())
        kept.closed_until = max(kept.closed_until, self._clock.monotonic() + min(seconds, CLOSED_MOST))


def _turn(kept: _Model, now: float) -> float:
    """Begin the window that `now` is in, and tell how far it is."""
    number, elapsed = divmod(now / MINUTE, 1)
    if kept.number != int(number):
        kept.before = kept.now if kept.number == int(number) - 1 else {}
        kept.number, kept.now = int(number), {"requests": 0, "tokens": 0}
    return elapsed
