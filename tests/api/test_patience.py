"""What takes too long is given up, and nothing else is disturbed by it."""

from __future__ import annotations

import asyncio

import pytest

from watership.api.patience import Late, Patience


async def within(patience: Patience, work: asyncio.Future[str]) -> str:
    task = asyncio.current_task()
    assert task is not None
    with patience.wait(task):
        return await work


async def test_each_is_given_up_when_its_own_time_is_over() -> None:
    patience, loop = Patience(0.02), asyncio.get_running_loop()
    began: list[float] = []
    ended: list[float] = []

    async def hang() -> None:
        began.append(loop.time())
        with pytest.raises(Late):
            await within(patience, loop.create_future())
        ended.append(loop.time())

    async with asyncio.TaskGroup() as hanging:
        for _ in range(3):
            hanging.create_task(hang())
            await asyncio.sleep(0.005)
    # The timer of the first is set anew for the others: each waits its own time, and not the first one's.
    assert all(b - a >= patience.seconds - 0.002 for a, b in zip(began, ended, strict=True))


async def test_what_ends_in_time_is_left_alone_after_it() -> None:
    patience, loop = Patience(0.005), asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()
    done.set_result("done")
    assert await within(patience, done) == "done"
    await asyncio.sleep(0.03)  # would be cancelled here, were it still known
    with pytest.raises(Late):  # and the timer that fired for nobody is set again
        await within(patience, loop.create_future())


async def test_a_cancellation_from_elsewhere_goes_on() -> None:
    patience = Patience(60)
    task = asyncio.ensure_future(within(patience, asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
