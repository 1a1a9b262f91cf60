"""A world without faults, and short words for what its tests do with one run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from watership.durable import Effect, Program, StepOptions
from watership.durable.events import AnyEvent
from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.worker import WorkerSettings
from watership.testing import run_in_virtual_time
from watership.testing.faults import Nemesis
from watership.testing.simulation import SETTINGS, World, decoded

T = TypeVar("T")
Body = Callable[..., Awaitable[object]]
F = TypeVar("F", bound=Callable[..., Any])

ENDS = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


def pure(body: F) -> F:
    """Declare `body` repeatable."""
    setattr(body, "__watership_step__", StepOptions(effect=Effect.PURE))  # noqa: B010  # functions have no such field
    return body


def program(body: Body, name: str = "p") -> Program:
    """`body` as a program; it takes nothing."""

    async def call(raw: msgspec.Raw) -> object:
        return await body()

    return Program(name, call)


def calm_world(*programs: Program, workers: int = 1, settings: WorkerSettings = SETTINGS) -> World:
    return World(
        {each.name: each for each in programs},
        workers=workers,
        nemesis=Nemesis(0, most=0),
        settings=settings,
    )


def play(main: Callable[[], Awaitable[T]], *, seed: int = 0) -> T:
    return run_in_virtual_time(main, seed=seed)


def live(body: Body, *others: Program, seed: int = 0) -> tuple[Run, list[AnyEvent]]:
    """Run `body` as a program in a calm world, to its end or its stop; the run and its journal."""

    async def main() -> tuple[Run, list[AnyEvent]]:
        async with calm_world(program(body), *others) as world:
            run_id = await world.submit("p")
            run = await world.until(run_id, *ENDS, RunState.STOPPED)
            return run, await events(world, run_id)

    return play(main, seed=seed)


def result(body: Body, *others: Program, seed: int = 0) -> Any:
    """What `body` returns as a program that must succeed."""
    run, _ = live(body, *others, seed=seed)
    assert run.state is RunState.SUCCEEDED, run.failure
    return decoded(run)


async def events(world: World, run_id: RunId) -> list[AnyEvent]:
    return [entry.event for entry in await world.memory.journal(run_id, limit=100_000)]


async def restart(world: World) -> None:
    """Kill every worker, and wait until others have come."""
    for each in world.workers:
        world.crash(each)
    await world.clock.sleep(3.0)


def failure(run: Run) -> str:
    assert run.failure is not None
    return run.failure.kind
