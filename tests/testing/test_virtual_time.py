"""Virtual time: hours pass in moments, seeds decide who goes first, and nothing hangs or is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from watership.durable.clock import Clock
from watership.errors import BadInput
from watership.testing import (
    Deadlock,
    LimitReached,
    NotClean,
    NotDeterministic,
    VirtualClock,
    run_in_virtual_time,
    suspend,
    trace,
)

SEEDS = range(20)


async def a_busy_hour(workers: int = 100, seconds: float = 3_600.0) -> str:
    loop, chance = asyncio.get_running_loop(), Random(7)

    async def work() -> None:
        while loop.time() < seconds:
            await asyncio.sleep(chance.uniform(0.1, 10))

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return trace()


async def a_failing_group() -> str:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(asyncio.sleep(100))
            group.create_task(fail())
    return trace()


async def order_of_five() -> list[int]:
    order: list[int] = []

    async def arrive(number: int) -> None:
        await asyncio.sleep(1)
        order.append(number)

    await asyncio.gather(*map(arrive, range(5)))
    return order


def test_a_month_but_a_day_passes_and_the_result_comes_back() -> None:
    async def main() -> tuple[float, datetime]:
        await VirtualClock().sleep(29 * 86_400)
        return VirtualClock().monotonic(), VirtualClock().now()

    assert run_in_virtual_time(main) == (29 * 86_400.0, datetime(2026, 1, 30, tzinfo=UTC))


def test_a_coroutine_is_taken_as_well_as_a_function() -> None:
    assert run_in_virtual_time(asyncio.sleep(5, "done")) == "done"


def test_the_virtual_clock_is_a_clock_of_the_kernel() -> None:
    clock: Clock = VirtualClock()
    start = datetime(2030, 6, 1, 12, tzinfo=UTC)

    async def main() -> datetime:
        await clock.sleep(0.5)
        return clock.now()

    assert run_in_virtual_time(main, start=start) == datetime(2030, 6, 1, 12, 0, 0, 500_000, tzinfo=UTC)


def test_a_clock_outside_of_virtual_time_says_so() -> None:
    with pytest.raises(BadInput, match="run_in_virtual_time"):
        VirtualClock().now()


def test_a_start_without_a_timezone_is_refused() -> None:
    with pytest.raises(BadInput, match="timezone"):
        run_in_virtual_time(order_of_five, start=datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_error_of_main_comes_out() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run_in_virtual_time(main)


def test_the_same_seed_takes_the_same_steps() -> None:
    for seed in SEEDS:
        first, second = (run_in_virtual_time(lambda: a_busy_hour(10, 60), seed=seed) for _ in range(2))
        assert first == second, seed


def test_another_process_takes_the_same_steps_whatever_its_hash_seed() -> None:
    program = (
        "from tests.testing.test_virtual_time import *; print(run_in_virtual_time(a_failing_group, seed=3))"
    )
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in (1, 2)
    }
    assert len(traces) == 1
    assert len(traces.pop().strip()) == 32


def test_every_seed_takes_other_steps() -> None:
    traces = {run_in_virtual_time(lambda: a_busy_hour(10, 60), seed=seed) for seed in SEEDS}
    assert len(traces) == len(SEEDS)


def test_seed_0_is_first_in_first_out_and_the_others_are_not() -> None:
    assert run_in_virtual_time(order_of_five) == [0, 1, 2, 3, 4]
    assert len({tuple(run_in_virtual_time(order_of_five, seed=seed)) for seed in SEEDS}) > len(SEEDS) / 2


def test_the_children_of_a_failed_group_are_cancelled_in_the_same_order_each_time() -> None:
    kept, traces = list[object](), set[str]()
    for size in range(10):
        kept += [bytearray(100 * size + n) for n in range(100)]  # other addresses for the tasks of each run
        traces.add(run_in_virtual_time(a_failing_group))
    assert len(traces) == 1


def test_callbacks_of_call_soon_keep_their_order_under_every_seed() -> None:
    async def main() -> list[int]:
        called: list[int] = []
        others = [asyncio.create_task(asyncio.sleep(0)) for _ in range(5)]
        for number in range(10):
            asyncio.get_running_loop().call_soon(called.append, number)
        await asyncio.gather(*others)
        await asyncio.sleep(1)
        return called

    for seed in SEEDS:
        assert run_in_virtual_time(main, seed=seed) == list(range(10)), seed


def test_who_waits_for_a_future_goes_after_its_earlier_done_callbacks_under_every_seed() -> None:
    async def main() -> bool:
        future = asyncio.get_running_loop().create_future()
        noted: list[object] = []
        future.add_done_callback(noted.append)
        asyncio.get_running_loop().call_later(1, future.set_result, None)
        noise = [asyncio.create_task(asyncio.sleep(1)) for _ in range(5)]
        await future
        seen = bool(noted)
        await asyncio.gather(*noise)
        return seen

    for seed in SEEDS:
        assert run_in_virtual_time(main, seed=seed), seed


def test_timers_of_different_instants_keep_their_order_after_a_freeze() -> None:
    async def main() -> list[int]:
        rung: list[int] = []
        for second in (3, 1, 2):
            asyncio.get_running_loop().call_later(second, rung.append, second)
        suspend(10)
        await asyncio.sleep(0.1)
        return rung

    for seed in SEEDS:
        assert run_in_virtual_time(main, seed=seed) == [1, 2, 3], seed


def test_locks_and_queues_of_asyncio_hold_under_every_seed() -> None:
    async def main() -> list[int]:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
        lock, inside, taken = asyncio.Lock(), 0, list[int]()

        async def put(numbers: range) -> None:
            for number in numbers:
                await queue.put(number)

        async def take() -> None:
            nonlocal inside
            for _ in range(20):
                async with lock:
                    inside += 1
                    assert inside == 1
                    taken.append(await queue.get())
                    await asyncio.sleep(0)
                    inside -= 1

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for worker in range(4):
                group.create_task(put(range(20 * worker, 20 * worker + 20)))
                group.create_task(take())
        return taken

    for seed in SEEDS:
        assert sorted(run_in_virtual_time(main, seed=seed)) == list(range(80)), seed


def test_a_freeze_passes_time_and_runs_nothing_meanwhile() -> None:
    async def main() -> tuple[int, float, int]:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(1)
                beats += 1

        heart = asyncio.create_task(beat())
        await asyncio.sleep(2.5)
        suspend(60)
        at_once = beats
        await asyncio.sleep(0.4)
        heart.cancel()
        return at_once, asyncio.get_running_loop().time(), beats

    at_once, time, beats = run_in_virtual_time(main)
    assert (at_once, beats) == (2, 3)
    assert time == pytest.approx(62.9)


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_a_freeze_of_no_sensible_length_is_refused(seconds: float) -> None:
    async def main() -> None:
        suspend(seconds)

    with pytest.raises(BadInput, match="suspension"):
        run_in_virtual_time(main)


def test_a_deadlock_is_an_error_that_names_who_waits_and_where() -> None:
    async def wait_for_godot() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        waiting = asyncio.create_task(wait_for_godot(), name="vladimir")
        await asyncio.sleep(3)
        await waiting

    with pytest.raises(Deadlock, match=r"at 3 s .*'vladimir' in .*wait_for_godot line \d+") as caught:
        run_in_virtual_time(main)
    assert caught.value.at == 3
    assert [name.split()[0] for name in caught.value.pending] == ["'task-1'", "'vladimir'"]


def test_a_sleep_without_end_is_a_deadlock() -> None:
    with pytest.raises(Deadlock):
        run_in_virtual_time(asyncio.sleep(float("inf")))


def test_a_livelock_ends_at_the_limit_of_steps() -> None:
    turns = 0

    async def main() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    with pytest.raises(LimitReached, match="limit of steps"):
        run_in_virtual_time(main, limit_steps=1_000)
    assert turns == 1_000


def test_a_program_that_never_ends_stops_at_the_limit_of_seconds() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(10)

    with pytest.raises(LimitReached, match="limit of simulated seconds") as caught:
        run_in_virtual_time(main, limit_seconds=100)
    assert caught.value.at == 100


async def in_a_thread() -> None:
    await asyncio.to_thread(int)


async def over_a_socket() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def in_a_process() -> None:
    await asyncio.create_subprocess_exec("true")


async def on_a_descriptor() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        asyncio.get_running_loop().add_reader(ours, int)


async def from_a_thread() -> None:
    import threading

    loop, seen = asyncio.get_running_loop(), list[BaseException]()

    def call() -> None:
        try:
            loop.call_soon_threadsafe(int)
        except NotDeterministic as refusal:
            seen.append(refusal)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    raise seen[0]


@pytest.mark.parametrize("main", [in_a_thread, over_a_socket, in_a_process, on_a_descriptor, from_a_thread])
def test_the_real_world_is_refused(main: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises(NotDeterministic, match="refused in virtual time"):
        run_in_virtual_time(main)


def test_tasks_left_over_are_cancelled_and_may_unwind() -> None:
    ended: list[str] = []

    async def linger(name: str) -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            await asyncio.sleep(5)
            ended.append(name)

    async def main() -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(linger(name)) for name in "ab"]
        await asyncio.sleep(1)
        return tasks

    assert [task.cancelled() for task in run_in_virtual_time(main)] == [True, True]
    assert ended == ["a", "b"]


async def stubborn() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


async def stubborn_to_the_end() -> None:
    refusals = 0
    while refusals < 4:
        try:
            await asyncio.sleep(0)
        except BaseException:  # noqa: BLE001  # even the close of its coroutine
            refusals += 1


async def spinning() -> None:
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            continue


@pytest.mark.parametrize("resist", [stubborn, stubborn_to_the_end, spinning])
def test_a_task_that_resists_its_cancellation_is_reported_by_name(
    resist: Callable[[], Awaitable[None]],
) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(resist())
        assert isinstance(task, asyncio.Task)
        task.set_name("resister")
        await asyncio.sleep(0)

    with pytest.raises(NotClean, match=r"'resister' in ") as caught:
        run_in_virtual_time(main)
    assert len(caught.value.pending) == 1
    del caught
    gc.collect()  # a coroutine that were still open would complain here, and a warning is an error


@pytest.mark.parametrize("others", [0, 1])
def test_a_leftover_that_fails_while_it_unwinds_is_reported_even_beside_one_that_resists(others: int) -> None:
    async def fail() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            raise OSError("while unwinding")

    async def main() -> None:
        left = [asyncio.create_task(fail()), *(asyncio.create_task(stubborn()) for _ in range(others))]
        await asyncio.sleep(1)
        assert not any(task.done() for task in left)

    with pytest.raises(NotClean, match="while unwinding") as caught:
        run_in_virtual_time(main)
    assert [type(failure) for failure in caught.value.failures] == [OSError]
    assert len(caught.value.pending) == others


def test_the_error_of_main_carries_a_note_on_leftovers_that_resist() -> None:
    async def main() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(1)
        raise LookupError(task.get_name())

    with pytest.raises(LookupError) as caught:
        run_in_virtual_time(main)
    assert "stubborn" in caught.value.__notes__[0]


def test_a_simulated_hour_of_a_hundred_sleepers_takes_bounded_steps() -> None:
    # Steps are counted, not seconds, for no slow machine changes them (it is about one second of a laptop's):
    # an hour of 100 sleepers of 5.05 s on average is 71,300 sleeps, each a timer and a wake-up.
    assert run_in_virtual_time(a_busy_hour, seed=1, limit_steps=300_000)
