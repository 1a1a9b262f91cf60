"""The history that is lived through again and again: an agent run with parallel tools, a timer and an approval."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import msgspec

from watership.adapters.memory import MemoryStore
from watership.durable import Effect, Program, gather, signal, sleep, step
from watership.durable.execution import Execution
from watership.durable.ports import Store
from watership.durable.program import Programs
from watership.testing import run_in_virtual_time
from watership.testing.faults import MOST_FAULTS, Nemesis
from watership.testing.simulation import NotEnded, World, act, decoded

PATIENCE_SECONDS = 600.0
"""Virtual seconds that a run has after its approval: many leases, freezes and restarts."""

APPROVAL_SECONDS = 20.0
"""How late the person approves."""

EXPECTED = {
    "plan": "plan for owls",
    "found": ["owls: 3 papers", "owls in zoo.txt", "receipt of owls: 4"],
    "slept": True,
    "verdict": "yes",
    "sent": "sent yes",
}


def agent(world: World) -> Programs:
    """The program, with tools of every effect that act on `world`."""

    async def think(topic: str) -> str:
        await act(world, "thought")
        return f"plan for {topic}"

    async def search(topic: str) -> str:
        await act(world, "searched", seconds=0.5)
        return f"{topic}: 3 papers"

    async def read(topic: str) -> str:
        await act(world, "read", seconds=0.3)
        return f"{topic} in zoo.txt"

    async def price(topic: str) -> int:
        await act(world, "priced", seconds=0.1)
        return len(topic)

    async def store(text: str) -> str:
        await act(world, "stored", seconds=0.3)
        return text

    async def buy(topic: str, cents: int) -> str:
        receipt = f"receipt of {topic}: {cents}"
        await act(world, receipt, seconds=0.4)
        return receipt

    async def send(verdict: str) -> str:
        await act(world, f"sent {verdict}")
        return f"sent {verdict}"

    async def find(topic: str) -> str:
        return await step(search, topic, effect=Effect.PURE)

    async def keep(topic: str) -> str:
        text = await step(read, topic, effect=Effect.PURE)
        await sleep(1.0)
        return await step(store, text, effect=Effect.IDEMPOTENT)

    async def order(topic: str) -> str:
        return await step(buy, topic, await step(price, topic, effect=Effect.PURE))

    async def approved() -> str:
        # As people write it: a wait that raised would be taken for a refusal.
        try:
            return str(await signal("approval", about="May it be sent?"))
        except Exception:  # noqa: BLE001
            return "no"

    async def run(raw: msgspec.Raw) -> dict[str, object]:
        topic = msgspec.json.decode(raw, type=str)
        plan = await step(think, topic, effect=Effect.PURE)
        found = await gather(find(topic), keep(topic), order(topic))
        await sleep(8.0)
        verdict = await approved()
        sent = await step(send, verdict)
        return {"plan": plan, "found": found, "slept": True, "verdict": verdict, "sent": sent}

    return {"agent": Program("agent", run)}


class Evidence(msgspec.Struct, frozen=True):
    """What one history showed; without flaws it ended as the crash-free one and kept every promise."""

    seed: int
    flaws: tuple[str, ...]
    struck: dict[str, int]


def history(
    seed: int,
    *,
    calm: bool = False,
    execution: Callable[..., Execution] = Execution,
    store: Callable[[MemoryStore], Store] = lambda memory: memory,
) -> Evidence:
    """Live through one history: even seeds run tasks first in, first out, odd ones interleave them."""
    nemesis = Nemesis(seed, most=0 if calm else MOST_FAULTS)

    async def main() -> tuple[str, ...]:
        world = World({}, nemesis=nemesis, execution=execution, store=store)
        world.programs = agent(world)
        async with world:
            run_id = await world.submit("agent", "owls")
            await asyncio.sleep(APPROVAL_SECONDS)
            await world.deliver(run_id, "approval", "yes")
            try:
                run = await world.end_of(run_id, within=PATIENCE_SECONDS)
            except NotEnded as error:
                return (str(error), *world.oracle.violations)
            result = decoded(run)
            other = () if result == EXPECTED else (f"{run.state} with {result} {run.failure}",)
            return (*other, *world.oracle.violations)

    flaws = run_in_virtual_time(main, seed=seed if seed % 2 else 0)
    return Evidence(seed, flaws, {str(fault): times for fault, times in nemesis.struck.items()})


def histories(seeds: range) -> list[Evidence]:
    """Many, one after the other; for a process of its own."""
    found = [history(seed) for seed in seeds]
    gc.collect()  # asyncio looks through all tasks that were ever made and not yet collected
    return found
