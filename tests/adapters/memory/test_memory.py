"""The bell and the witness of one process."""

from __future__ import annotations

import asyncio
import math

import pytest

from watership.adapters.memory import MemoryBell, MemoryWitness, Sessions
from watership.adapters.memory import bell as bells
from watership.durable.ids import WorkerId
from watership.errors import Conflict
from watership.testing import run_in_virtual_time

A, B = frozenset({"a"}), frozenset({"b"})
ANN = WorkerId("ann")


async def test_a_ring_wakes_whoever_waits_for_its_topic() -> None:
    bell = MemoryBell()
    waiting = asyncio.create_task(bell.wait(A | B, math.inf))
    await asyncio.sleep(0)
    bell.ring(["x", "a"])
    assert await waiting == A


async def test_a_ring_between_two_waits_is_not_lost() -> None:
    bell = MemoryBell()
    assert await bell.wait(A, 0) == frozenset()
    bell.ring(["a"])
    assert await bell.wait(A, math.inf) == A
    assert await bell.wait(A, 0) == frozenset()


async def test_a_ring_for_a_topic_that_a_listener_takes_up_later_is_not_lost() -> None:
    bell = MemoryBell()
    await bell.wait(A, 0)
    bell.ring(["b"])
    assert await bell.wait(A | B, math.inf) == B


async def test_two_listeners_of_a_topic_both_hear_a_ring_even_between_their_waits() -> None:
    bell = MemoryBell()
    turn = asyncio.Event()

    async def slow() -> frozenset[str]:
        await bell.wait(A, 0)
        await turn.wait()
        return await bell.wait(A, math.inf)

    late = asyncio.create_task(slow())
    quick = asyncio.create_task(bell.wait(A, math.inf))
    await asyncio.sleep(0.001)
    bell.ring(["a"])
    assert await quick == A
    turn.set()
    assert await late == A


async def test_a_new_task_does_not_hear_what_others_have_heard() -> None:
    bell = MemoryBell()
    bell.ring(["a"])
    assert await asyncio.create_task(bell.wait(A, math.inf)) == A
    assert await asyncio.create_task(bell.wait(A, 0)) == frozenset()


def test_a_wait_ends_in_silence_after_its_time() -> None:
    async def main() -> tuple[frozenset[str], float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        return await MemoryBell().wait(A, 30), loop.time() - began

    assert run_in_virtual_time(main()) == (frozenset(), 30)


async def test_a_wait_that_is_cancelled_leaves_nothing_behind() -> None:
    bell = MemoryBell()
    waiting = asyncio.create_task(bell.wait(A, math.inf))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert bell._waiting == {}


async def test_a_bell_forgets_the_oldest_topics() -> None:
    bell = MemoryBell()
    bell.ring(["a"])
    for number in range(bells.MAX_TOPICS):
        bell.ring([str(number)])
    assert len(bell._rung) == bells.MAX_TOPICS
    assert await bell.wait(A, 0) == frozenset()


async def test_a_worker_is_dead_when_its_lock_is_free_and_only_then() -> None:
    sessions = Sessions()
    mine, other = MemoryWitness(sessions), MemoryWitness(sessions)
    assert not await other.dead([ANN])
    await mine.hold(ANN)
    assert mine.held()
    assert not await other.dead([ANN])
    with pytest.raises(Conflict):
        await other.hold(ANN)
    sessions.kill(ANN)
    assert not mine.held()
    assert await other.dead([ANN])


async def test_a_lock_that_was_lost_to_another_is_not_released() -> None:
    sessions = Sessions()
    mine, other = MemoryWitness(sessions), MemoryWitness(sessions)
    await mine.hold(ANN)
    sessions.kill(ANN)
    await other.hold(ANN)
    mine.release()
    assert other.held()
