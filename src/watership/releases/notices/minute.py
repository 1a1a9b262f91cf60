"""The last minute of both sides: what the router counted, and whom it finds healthy; None is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from watership.durable.clock import Clock
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.judging.sight import window
from watership.releases.judging.traffic import latency_p95, together
from watership.releases.judging.vigil import ENDLESS
from watership.releases.plan import Plan
from watership.releases.ports import Metrics, Router, RouterState, TrafficTick

SECONDS = 60

PATIENCE_SECONDS = 2.0
"""What one that does not answer gets: its silence is news itself, and must not keep the news back."""

FRESH_SECONDS = 10.0
"""How long a look at it is used: situations are looked at once a second, and told of far more seldom."""


class Traffic(Struct, frozen=True, kw_only=True):
    """What one side served. `p95` is the bound, in seconds, that 95 % were within; None, as `rate`, without one."""

    seconds: int
    requests: int
    failed: int
    rate: float | None
    p95: float | None


class Minute(Struct, frozen=True, kw_only=True):
    """Both sides. `…_healthy`: instances that the router itself finds healthy."""

    next: Traffic | None = None
    live: Traffic | None = None
    next_healthy: int | None = None
    live_healthy: int | None = None


UNKNOWN = Minute()


class LastMinute:
    """Asks metrics and router, at most every ten seconds."""

    def __init__(self, metrics: Metrics, router: Router, clock: Clock) -> None:
        self._metrics = metrics
        self._router = router
        self._clock = clock
        self._seen: Minute | None = None
        self._at = 0.0

    async def of(self, plan: Plan) -> Minute:
        now = self._clock.monotonic()
        if self._seen is None or now - self._at >= FRESH_SECONDS:
            state = await self._router_says()
            served = await self._served(state.started_at if state else None)
            healthy = state.healthy if state else {}
            nxt, live = plan.next.slot, plan.live.slot
            self._at = now
            self._seen = Minute(
                next=served.get(nxt),
                live=served.get(live),
                next_healthy=healthy.get(nxt),
                live_healthy=healthy.get(live),
            )
        return self._seen

    async def _served(self, since: datetime | None) -> dict[Slot, Traffic]:
        """What was counted in the last minute, or since the router began where that is less."""
        after, until = window(self._clock.now(), since, SECONDS)
        if after >= until:
            return {}
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                ticks = await self._metrics.ticks(after=after, until=until)
        except (Unavailable, TimeoutError):
            return {}
        return {slot: served(each) for slot, each in ticks.items() if each}

    async def _router_says(self) -> RouterState | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._router.read()
        except (Unavailable, TimeoutError):
            return None


def served(ticks: Sequence[TrafficTick]) -> Traffic:
    """Seconds taken together."""
    whole = together(ticks)
    p95 = latency_p95(whole)
    return Traffic(
        seconds=sum(tick.span for tick in ticks),
        requests=whole.requests,
        failed=whole.errors,
        rate=whole.errors / whole.requests if whole.requests else None,
        p95=None if p95 is None else min(p95, ENDLESS),
    )
