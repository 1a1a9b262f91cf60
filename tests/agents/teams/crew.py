"""A crew: voters and workers as programs in a simulated world, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from watership.durable import Cost, Effect, Program, step
from watership.durable.ids import RunId
from watership.durable.ports import RunFilter
from watership.durable.states import RunState
from watership.testing import run_in_virtual_time
from watership.testing.faults import Nemesis
from watership.testing.simulation import World

T = TypeVar("T")
CENTS = "cents"


def leader(body: Callable[[], Awaitable[object]], name: str = "leader") -> Program:
    async def call(_: msgspec.Raw) -> object:
        return await body()

    return Program(name, call)


def says(name: str, answer: object, seconds: float = 1.0, cents: int = 5) -> Program:
    """An agent that answers alike each time, in two steps that take half of the time and cost so much each."""

    async def think(last: bool) -> object:
        await asyncio.sleep(seconds / 2)
        if last and isinstance(answer, Exception):
            raise answer
        return answer if last else None

    async def call(_: msgspec.Raw) -> object:
        cost = Cost({CENTS: cents}, used=lambda _: {CENTS: cents})
        await step(think, False, effect=Effect.PURE, cost=cost)
        return await step(think, True, effect=Effect.PURE, cost=cost)

    return Program(name, call)


def echoes(name: str, make: Callable[[Any], object]) -> Program:
    """An agent that makes its answer of what it is given."""

    async def call(raw: msgspec.Raw) -> object:
        return make(msgspec.json.decode(raw))

    return Program(name, call)


def world_of(*programs: Program, seed: int = 0, faults: bool = False) -> World:
    return World(
        {each.name: each for each in programs},
        seed=seed,
        workers=3,  # twelve runs at a time: none of a small crew waits for another
        nemesis=Nemesis(seed) if faults else Nemesis(0, most=0),
    )


def play(main: Callable[[], Awaitable[T]], seed: int = 0) -> T:
    return run_in_virtual_time(main, seed=seed)


def lead(body: Callable[[], Awaitable[object]], *crew: Program) -> Any:
    """What `body` returns as a program among its crew; it must succeed."""

    async def main() -> Any:
        async with world_of(leader(body), *crew) as world:
            run = await world.end_of(await world.submit("leader"))
            assert run.state is RunState.SUCCEEDED, run.failure
            return msgspec.json.decode(run.result)

    return play(main)


def failure_of(body: Callable[[], Awaitable[object]], *crew: Program) -> str:
    """The code and the words with which `body` fails."""

    async def main() -> str:
        async with world_of(leader(body), *crew) as world:
            run = await world.end_of(await world.submit("leader"))
            assert run.state is RunState.FAILED and run.failure is not None
            return f"{run.failure.code or run.failure.kind}: {run.failure.message}"

    return play(main)


async def fates(world: World) -> dict[str, RunState]:
    """The state of the last run of each program."""
    page = await world.memory.list(RunFilter(), limit=200)
    return {each.program: each.state for each in reversed(page.runs)}


async def keys(world: World, run_id: RunId) -> list[str]:
    return [entry.event.key for entry in await world.memory.journal(run_id, limit=10_000)]
