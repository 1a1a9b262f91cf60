"""What every cache, limiter and fan-out must do; those of one process and those of all are held to the same."""

from __future__ import annotations

import asyncio

import pytest

from watership.fleet.cache import ENTRY_BYTES, Cache
from watership.fleet.fanout import EAR_MESSAGES, GAP, MESSAGE_BYTES, Ear, Fanout
from watership.fleet.limit import Limiter
from watership.fleet.turnstile import FULL_SECONDS, SPENT_SECONDS, Quota, Turnstile

SOON = 5.0
"""Seconds: far beyond what a message takes."""


class CacheSuite:
    """Subclass it with a fixture `cache`."""

    async def test_what_was_put_is_there_until_it_is_forgotten(self, cache: Cache) -> None:
        assert await cache.get("a") is None
        await cache.put("a", b"\x00one", seconds=60)
        await cache.put("a", b"\xfftwo", seconds=60)
        assert await cache.get("a") == b"\xfftwo"
        await cache.forget("a")
        await cache.forget("a")
        assert await cache.get("a") is None

    async def test_what_was_put_is_gone_when_its_time_is_over(self, cache: Cache) -> None:
        await cache.put("a", b"x", seconds=0.05)
        await cache.put("b", b"x", seconds=60)
        await asyncio.sleep(0.1)
        assert (await cache.get("a"), await cache.get("b")) == (None, b"x")

    async def test_what_is_too_large_is_not_kept_nor_is_what_it_was_to_replace(self, cache: Cache) -> None:
        await cache.put("a", b"x" * ENTRY_BYTES, seconds=60)
        assert await cache.get("a") is not None
        await cache.put("a", b"x" * (ENTRY_BYTES + 1), seconds=60)
        assert await cache.get("a") is None


class LimiterSuite:
    """Subclass it with a fixture `limiter`."""

    async def test_a_caller_has_its_limit_and_no_more(self, limiter: Limiter) -> None:
        taken = [await limiter.take("a", limit=5, seconds=3600) for _ in range(8)]
        assert [one.allowed for one in taken] == [True] * 5 + [False] * 3
        assert [one.left for one in taken] == [4, 3, 2, 1, 0, 0, 0, 0]
        assert all(one.retry_after == 0 for one in taken[:5])
        assert all(0 < one.retry_after <= 7200.1 for one in taken[5:])

    async def test_callers_are_counted_apart(self, limiter: Limiter) -> None:
        assert (await limiter.take("a", limit=1, seconds=3600)).allowed
        assert (await limiter.take("b", limit=1, seconds=3600)).allowed
        assert not (await limiter.take("a", limit=1, seconds=3600)).allowed

    async def test_who_waits_as_long_as_told_is_let_in(self, limiter: Limiter) -> None:
        for _ in range(3):
            assert (await limiter.take("a", limit=3, seconds=0.4)).allowed
        refused = await limiter.take("a", limit=3, seconds=0.4)
        assert not refused.allowed
        await asyncio.sleep(refused.retry_after)
        assert (await limiter.take("a", limit=3, seconds=0.4)).allowed

    async def test_many_at_once_get_no_more_than_the_limit(self, limiter: Limiter) -> None:
        taken = await asyncio.gather(*(limiter.take("a", limit=10, seconds=3600) for _ in range(14)))
        assert sum(one.allowed for one in taken) == 10


class FanoutSuite:
    """Subclass it with a fixture `two`: what is published by the first is heard by the second."""

    async def test_a_message_is_heard_by_every_listener_of_its_topic(
        self, two: tuple[Fanout, Fanout]
    ) -> None:
        here, there = two
        async with there.listen("a") as one, there.listen("a") as other, there.listen("b") as deaf:
            await heard(here, "a", one)
            await nothing_more(other)
            here.publish("a", b"\x00hello")
            assert await next_word(one) == b"\x00hello"
            assert await next_word(other) == b"\x00hello"
            assert await next_word(deaf, 0.05) is None

    async def test_whoever_publishes_hears_itself_once(self, two: tuple[Fanout, Fanout]) -> None:
        here, _ = two
        async with here.listen("a") as ear:
            await asyncio.sleep(0.1)
            here.publish("a", b"once")
            assert await next_word(ear) == b"once"
            assert await next_word(ear, 0.1) is None

    async def test_messages_keep_their_order_and_may_come_in_numbers(
        self, two: tuple[Fanout, Fanout]
    ) -> None:
        here, there = two
        async with there.listen("a") as ear:
            await heard(here, "a", ear)
            sent = [f"{number}".encode() for number in range(EAR_MESSAGES)]
            for message in sent:
                here.publish("a", message)
            assert [await next_word(ear) for _ in sent] == sent

    async def test_the_same_word_said_twice_is_heard_twice(self, two: tuple[Fanout, Fanout]) -> None:
        here, there = two
        async with there.listen("a") as ear:
            await heard(here, "a", ear)
            for word in (b"had", b"had", b"the"):
                here.publish("a", word)
            assert [await next_word(ear) for _ in range(3)] == [b"had", b"had", b"the"]

    async def test_a_listener_that_is_slow_is_told_of_the_gap(self, two: tuple[Fanout, Fanout]) -> None:
        here, _ = two
        async with here.listen("a") as ear:
            await asyncio.sleep(0.1)
            while await ear.next(0) is not None:
                pass
            for number in range(EAR_MESSAGES + 1):
                here.publish("a", f"{number}".encode())
            assert await ear.next(SOON) == GAP
            assert await ear.next(0.05) is None

    @pytest.mark.parametrize("message", [GAP, b"x" * (MESSAGE_BYTES + 1)])
    async def test_what_has_no_words_or_too_many_sends_the_listener_to_the_store(
        self, two: tuple[Fanout, Fanout], message: bytes
    ) -> None:
        here, there = two
        async with there.listen("a") as ear:
            await heard(here, "a", ear)
            here.publish("a", message)
            assert await ear.next(SOON) == GAP


async def heard(here: Fanout, topic: str, ear: Ear) -> None:
    """Until `ear` hears what `here` publishes, and has nothing left to hear."""
    async with asyncio.timeout(SOON):
        while True:
            here.publish(topic, b"are you there?")
            if await ear.next(0.2) == b"are you there?":
                break
    await nothing_more(ear)


async def nothing_more(ear: Ear) -> None:
    """Until `ear` has heard all that was said."""
    while await ear.next(0.1) is not None:
        pass


async def next_word(ear: Ear, timeout: float = SOON) -> bytes | None:
    """The next message that is no GAP: one may always come."""
    while (message := await ear.next(timeout)) == GAP:
        pass
    return message


class TurnstileSuite:
    """Subclass it with a fixture `turnstile`."""

    async def test_so_many_are_let_through_at_a_time_and_one_that_leaves_makes_room(
        self, turnstile: Turnstile
    ) -> None:
        quota = Quota(concurrency=2)
        waits = [await turnstile.enter("m", place, quota, 10) for place in ("a", "b", "c")]
        assert waits == [0.0, 0.0, FULL_SECONDS]
        assert await turnstile.enter("another", "a", quota, 10) == 0.0
        await turnstile.leave("m", "a", 0)
        await turnstile.leave("m", "a", 0)
        assert [await turnstile.enter("m", place, quota, 10) for place in ("c", "d")] == [0.0, FULL_SECONDS]

    async def test_many_at_once_are_no_more_than_the_places(self, turnstile: Turnstile) -> None:
        quota = Quota(concurrency=5)
        waits = await asyncio.gather(*(turnstile.enter("m", str(n), quota, 1) for n in range(12)))
        assert sum(wait == 0 for wait in waits) == 5

    async def test_a_minute_has_its_share_of_requests(self, turnstile: Turnstile) -> None:
        quota = Quota(requests_per_minute=3)
        waits = [await turnstile.enter("m", str(n), quota, 1) for n in range(5)]
        assert waits == [0.0] * 3 + [SPENT_SECONDS] * 2

    async def test_a_minute_has_its_share_of_tokens_corrected_by_what_was_used(
        self, turnstile: Turnstile
    ) -> None:
        quota = Quota(tokens_per_minute=1_000)
        assert await turnstile.enter("m", "a", quota, 900) == 0.0
        assert await turnstile.enter("m", "b", quota, 200) == SPENT_SECONDS
        await turnstile.leave("m", "a", -800)
        assert await turnstile.enter("m", "b", quota, 200) == 0.0
        assert await turnstile.enter("m", "c", quota, 800) == SPENT_SECONDS

    async def test_what_is_larger_than_a_minutes_share_goes_when_nothing_else_does(
        self, turnstile: Turnstile
    ) -> None:
        quota = Quota(tokens_per_minute=1_000)
        assert await turnstile.enter("m", "a", quota, 5_000) == 0.0
        assert await turnstile.enter("m", "b", quota, 1) == SPENT_SECONDS

    async def test_one_that_is_closed_lets_nobody_through_for_so_long(self, turnstile: Turnstile) -> None:
        await turnstile.close("m", 50)
        await turnstile.close("m", 10)
        assert 40 < await turnstile.enter("m", "a", Quota(), 1) <= 50
        assert await turnstile.enter("another", "a", Quota(), 1) == 0.0
