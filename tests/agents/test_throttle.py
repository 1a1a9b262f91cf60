"""A throttle: calls wait for room, not too long, hold their place as long as they take, and keep away when asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from tests.notes import Notes
from watership.adapters.memory.turnstile import MemoryTurnstile
from watership.agents.throttle import ANY, BUSY_SECONDS, WAIT_SECONDS, Throttle, Throttled
from watership.fleet.turnstile import PLACE_SECONDS, Quota
from watership.testing.virtual_time import VirtualClock, run_in_virtual_time


class Gate:
    """A throttle in virtual time, and what happens at it."""

    def __init__(self, **quotas: Quota) -> None:
        self.clock, self.notes = VirtualClock(), Notes()
        self.turnstile = MemoryTurnstile(self.clock)
        numbers = count()
        self.throttle = Throttle(
            {name.replace("any", ANY): quota for name, quota in quotas.items()},
            shared=self.turnstile,
            own=MemoryTurnstile(self.clock),
            clock=self.clock,
            observer=self.notes,
            new_id=lambda: str(next(numbers)),
        )
        self.inside = self.most = 0

    async def call(self, seconds: float, model: str = "m") -> float:
        """Make a call that takes so long; when it began."""
        async with self.throttle.passing(model, 10):
            began = self.clock.monotonic()
            self.inside += 1
            self.most = max(self.most, self.inside)
            await asyncio.sleep(seconds)
            self.inside -= 1
            return began


def at(play: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await play()

    run_in_virtual_time(main)


def test_no_more_calls_than_the_quota_allows_are_under_way_and_all_are_made() -> None:
    async def play() -> None:
        gate = Gate(m=Quota(concurrency=3))
        await asyncio.gather(*(gate.call(2.0) for _ in range(12)))
        assert gate.most == 3
        assert gate.notes.count("model call waits") == 9

    at(play)


def test_a_call_that_finds_no_room_in_time_is_not_made_and_says_when_to_come_again() -> None:
    async def play() -> None:
        gate = Gate(any=Quota(concurrency=1))
        long = asyncio.create_task(gate.call(WAIT_SECONDS * 3))
        await asyncio.sleep(1)
        began = gate.clock.monotonic()
        with pytest.raises(Throttled) as refused:
            await gate.call(1)
        assert gate.clock.monotonic() - began <= WAIT_SECONDS
        assert refused.value.retry_after > 0
        assert gate.notes.count("model call throttled") == 1
        await long

    at(play)


def test_a_call_that_takes_longer_than_a_place_is_kept_keeps_its_place() -> None:
    async def play() -> None:
        gate = Gate(m=Quota(concurrency=1))
        long = asyncio.create_task(gate.call(PLACE_SECONDS * 3))
        await asyncio.sleep(PLACE_SECONDS * 2)
        with pytest.raises(Throttled):
            await gate.call(1)
        await long
        await gate.call(1)

    at(play)


def test_a_place_of_one_that_died_is_free_when_its_time_is_over() -> None:
    async def play() -> None:
        gate = Gate(m=Quota(concurrency=1))
        began = gate.clock.monotonic()
        assert await gate.turnstile.enter("m", "dead", Quota(concurrency=1), 10) == 0.0
        await asyncio.sleep(PLACE_SECONDS / 2)
        assert await gate.call(1) >= began + PLACE_SECONDS

    at(play)


def test_a_call_that_raised_gives_its_place_back() -> None:
    async def play() -> None:
        gate = Gate(m=Quota(concurrency=1))
        with pytest.raises(OSError, match="cut"):
            async with gate.throttle.passing("m", 10):
                raise OSError("cut")
        began = gate.clock.monotonic()
        assert await gate.call(1) == began

    at(play)


@pytest.mark.parametrize(("said", "waited"), [(20.0, 20.0), (None, BUSY_SECONDS)])
def test_a_model_whose_provider_has_enough_is_left_alone_for_so_long(
    said: float | None, waited: float
) -> None:
    async def play() -> None:
        gate = Gate()
        began = gate.clock.monotonic()
        await gate.throttle.busy("m", said)
        assert await gate.call(1, "another") == began
        assert began + waited <= await gate.call(1) < began + waited + 1.5

    at(play)


def test_requests_of_a_minute_are_spread_over_the_next() -> None:
    async def play() -> None:
        gate = Gate(m=Quota(requests_per_minute=60))
        await asyncio.sleep(60 - gate.clock.monotonic() % 60)
        first = gate.clock.monotonic()
        begun = [await gate.call(0) for _ in range(60)]
        assert begun[-1] == first
        await asyncio.sleep(50)
        assert await gate.call(0) >= first + 60

    at(play)
