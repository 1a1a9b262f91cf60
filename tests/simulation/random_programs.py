"""Programs made at random: steps, timers, signals, nested gathers and races, as data that one program walks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from watership.durable import (
    Effect,
    Ended,
    Program,
    Returned,
    Uncertain,
    gather,
    gather_until,
    race,
    signal,
    sleep,
    step,
)
from watership.durable.replay import ended_alike, replay
from watership.durable.writes import ClaimedRun
from watership.testing import run_in_virtual_time
from watership.testing.faults import MOST_FAULTS, Nemesis
from watership.testing.simulation import World, act, decoded

NAMES = ("ask", "look", "go")
DEPTH = 3

UNCERTAIN = (3, 7)
"""Tenths of seconds after which an unsafe step has had its effect and does not know it."""


class Step(msgspec.Struct, frozen=True):
    name: str
    effect: Effect
    tenths: int


class Sleep(msgspec.Struct, frozen=True):
    tenths: int


class Hear(msgspec.Struct, frozen=True):
    """Waits for the signal that is sent for this place alone."""


class Gather(msgspec.Struct, frozen=True):
    branches: tuple[Node, ...]
    limit: int | None


class Race(msgspec.Struct, frozen=True):
    """One that ends, against those that wait for what nobody sends."""

    runner: Node
    losers: int


class Until(msgspec.Struct, frozen=True):
    """Those that end, against those that take a step and then wait for what nobody sends."""

    runners: tuple[Node, ...]
    losers: int


class Line(msgspec.Struct, frozen=True):
    nodes: tuple[Node, ...]


Node = Step | Sleep | Hear | Gather | Race | Until | Line

_leaves: st.SearchStrategy[Node] = st.one_of(
    st.builds(Step, st.sampled_from(NAMES), st.sampled_from(Effect), st.integers(0, 8)),
    st.builds(Sleep, st.integers(0, 50)),
    st.builds(Hear),
)


def _deeper(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(inner, min_size=1, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Gather, some, st.sampled_from([None, 1, 2])),
        st.builds(Race, inner, st.integers(0, 2)),
        st.builds(Until, some, st.integers(0, 2)),
        st.builds(Line, some),
    )


nodes: st.SearchStrategy[Node] = st.recursive(_leaves, _deeper, max_leaves=10)


class Walker:
    """Runs a Node as a program of the kernel."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.world: World

    async def __call__(self, raw: msgspec.Raw) -> object:
        return await self.walk(self.node, "root")

    async def walk(self, node: Node, place: str) -> object:
        match node:
            case Step(name, effect, tenths):

                async def body(place: str) -> str:
                    await act(self.world, f"{name} at {place}", seconds=tenths / 10)
                    if effect is Effect.UNSAFE and tenths in UNCERTAIN:
                        raise Uncertain("The line was cut before the answer came.")
                    return f"{name} at {place}"

                return await step(body, place, name=name, effect=effect)
            case Sleep(tenths):
                await sleep(tenths / 10)
                return "slept"
            case Hear():
                return await signal(f"to-{place}")
            case Gather(branches, limit):
                walks: list[Coroutine[Any, Any, object]] = [
                    self.walk(each, f"{place}-{index}") for index, each in enumerate(branches)
                ]
                return await gather(*walks, limit=limit)
            case Race(runner, losers):
                waits: list[Coroutine[Any, Any, object]] = [signal("never") for _ in range(losers)]
                return await race(self.walk(runner, f"{place}-r"), *waits)
            case Until(runners, losers):
                return await self._until(runners, losers, place)
            case Line(nodes):
                return [await self.walk(each, f"{place}-{index}") for index, each in enumerate(nodes)]

    async def _until(self, runners: tuple[Node, ...], losers: int, place: str) -> object:
        async def loser(place: str) -> object:
            await self.walk(Step("look", Effect.PURE, 4), place)
            return await signal("never")

        def enough(ended: Sequence[Ended]) -> bool:
            return len(ended) == len(runners)

        lost = [loser(f"{place}-l{index}") for index in range(losers)]
        won = [self.walk(each, f"{place}-{index}") for index, each in enumerate(runners)]
        ended = await gather_until(enough, *lost, *won)
        return [
            each.value for each in sorted(ended, key=lambda each: each.index) if isinstance(each, Returned)
        ]


def places(node: Node, place: str = "root") -> list[str]:
    """Where the program waits for signals."""
    match node:
        case Hear():
            return [place]
        case Gather(inner) | Until(inner) | Line(inner):
            return [found for index, each in enumerate(inner) for found in places(each, f"{place}-{index}")]
        case Race(runner):
            return places(runner, f"{place}-r")
        case _:
            return []


def outcome(node: Node, seed: int, *, calm: bool) -> tuple[object, list[str]]:
    """What the program returns in a world with this seed, and how it broke the promises."""

    async def main() -> tuple[object, list[str]]:
        walker = Walker(node)
        nemesis = Nemesis(seed, most=0 if calm else MOST_FAULTS)
        async with World({"walk": Program("walk", walker)}, nemesis=nemesis) as world:
            walker.world = world
            run_id = await world.submit("walk")
            for place in places(node):
                await asyncio.sleep(nemesis.random.uniform(0, 5))
                await world.deliver(run_id, f"to-{place}", f"word for {place}")
            run = await world.end_of(run_id)
            return decoded(run), world.oracle.violations

    return run_in_virtual_time(main, seed=seed)


def misfits(node: Node, seed: int) -> list[tuple[int, str]]:
    """Where a run of the program, lived through faults, could have stood and its own program would not fit: how many
    entries of its journal were there, and why."""

    async def main() -> list[tuple[int, str]]:
        walker = Walker(node)
        walk = Program("walk", walker)
        async with World({"walk": walk}, nemesis=Nemesis(seed, most=MOST_FAULTS)) as world:
            walker.world = world
            run_id = await world.submit("walk")
            for place in places(node):
                await world.deliver(run_id, f"to-{place}", f"word for {place}")
            run = await world.end_of(run_id)
            events = tuple(entry.event for entry in await world.memory.journal(run_id))
            entered = len(world.oracle.entered)
            walks = [
                await replay(
                    ClaimedRun(run=run, events=events[:length], inbox=()), walk, world.memory, world.clock
                )
                for length in range(len(events) + 1)
            ]
            found = [(length, told.why) for length, told in enumerate(walks) if told.verdict != "fits"]
            if not ended_alike(walks[-1], events):
                found.append((len(events), "another end"))
            assert len(world.oracle.entered) == entered, "a replay entered a body"
            return found

    return run_in_virtual_time(main, seed=seed)
