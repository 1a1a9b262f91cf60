"""The last minute is what was counted in it, as far as the router was there; silence is no number."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.releases.plans import a_plan
from watership.adapters.helm.traffic import Traffic as Counted
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.notices.minute import UNKNOWN, LastMinute, Traffic, served
from watership.releases.ports import RouterState, TrafficTick
from watership.testing import VirtualClock, run_in_virtual_time

PLAN = a_plan()


class YoungRouter:
    """One that counts as the real one does, from the moment it began."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.began = clock.now()
        self.silent = False
        self.asked = 0
        self.counted = {slot: Counted(self.second()) for slot in Slot}

    def second(self) -> int:
        return int(self._clock.now().timestamp())

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        await self._answer()
        now = self.second()
        return {slot: of.ticks(after=after, until=until, now=now) for slot, of in self.counted.items()}

    async def read(self) -> RouterState:
        await self._answer()
        return RouterState(
            weights={},
            epoch=1,
            targets={},
            healthy={Slot.BLUE: 2, Slot.GREEN: 1},
            active={},
            started_at=self.began,
        )

    async def _answer(self) -> None:
        self.asked += 1
        if self.silent:
            await asyncio.sleep(1e9)


def during(main: Any) -> Any:
    return run_in_virtual_time(main, start=datetime(2026, 11, 29, 10, tzinfo=UTC))


def test_a_router_that_began_a_moment_ago_is_asked_for_no_more_than_it_saw() -> None:
    async def main() -> None:
        clock = VirtualClock()
        router: Any = YoungRouter(clock)
        await clock.sleep(10.0)
        for number in range(20):
            router.counted[Slot.BLUE].add(router.second(), 0.03, failed=number == 0)
        await clock.sleep(3.0)
        found = await LastMinute(router, router, clock).of(PLAN)
        assert found.next == Traffic(seconds=11, requests=20, failed=1, rate=0.05, p95=0.05)
        assert found.live == Traffic(seconds=11, requests=0, failed=0, rate=None, p95=None)
        assert (found.next_healthy, found.live_healthy) == (2, 1)

    during(main)


def test_who_does_not_answer_keeps_no_news_back_and_is_asked_again() -> None:
    async def main() -> None:
        clock = VirtualClock()
        router: Any = YoungRouter(clock)
        minute = LastMinute(router, router, clock)
        await clock.sleep(20.0)
        router.silent = True
        before = clock.monotonic()
        assert await minute.of(PLAN) == UNKNOWN
        assert clock.monotonic() - before <= 4.0
        asked = router.asked
        assert await minute.of(PLAN) == UNKNOWN
        assert router.asked == asked
        router.silent = False
        await clock.sleep(11.0)
        assert (await minute.of(PLAN)).next_healthy == 2

    during(main)


def test_counts_that_cannot_be_had_are_not_known() -> None:
    class Blind(YoungRouter):
        async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
            raise Unavailable("They cannot be had.")

    async def main() -> None:
        clock = VirtualClock()
        router: Any = Blind(clock)
        await clock.sleep(70.0)
        found = await LastMinute(router, router, clock).of(PLAN)
        assert (found.next, found.live, found.next_healthy) == (None, None, 2)

    during(main)


def test_seconds_are_taken_together_and_nothing_is_no_number() -> None:
    def tick(requests: int, failed: int, latencies: dict[str, int]) -> TrafficTick:
        return TrafficTick(second=1, requests=requests, errors=failed, latencies=latencies)

    both = [tick(90, 1, {"0.1": 90}), tick(10, 0, {"0.1": 2, "0.5": 8})]
    assert served(both) == Traffic(seconds=2, requests=100, failed=1, rate=0.01, p95=0.5)
    assert served([tick(0, 0, {})]) == Traffic(seconds=1, requests=0, failed=0, rate=None, p95=None)
