"""The history that is lived through again and again: an agent run with parallel tools, a timer and an approval."""

from __future__ import annotations

import asyncio

import msgspec

from watership.durable import Effect, Program, gather, signal, sleep, step
from watership.durable.program import Programs
from watership.durable.run import Run
from watership.durable.writes import Submit
from watership.testing.simulation import World, act

APPROVAL_SECONDS = 20.0
"""How late the person approves."""

EXPECTED = {
    "plan": "plan for owls",
    "found": ["owls: 3 papers", "owls in zoo.txt", "receipt of owls"],
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

    async def store(topic: str) -> str:
        await act(world, "stored", seconds=0.3)
        return f"{topic} in zoo.txt"

    async def buy(topic: str) -> str:
        receipt = f"receipt of {topic}"
        await act(world, receipt, seconds=0.4)
        return receipt

    async def send(verdict: str) -> str:
        await act(world, f"sent {verdict}")
        return f"sent {verdict}"

    async def find(topic: str) -> str:
        return await step(search, topic)

    async def keep(topic: str) -> str:
        await sleep(1.0)
        return await step(store, topic, effect=Effect.IDEMPOTENT)

    async def order(topic: str) -> str:
        return await step(buy, topic, effect=Effect.UNSAFE)

    async def approved() -> str:
        # As people write it: a wait that raised would be taken for a refusal.
        try:
            return str(await signal("approval", about="May it be sent?"))
        except Exception:  # noqa: BLE001
            return "no"

    async def run(raw: msgspec.Raw) -> dict[str, object]:
        topic = msgspec.json.decode(raw, type=str)
        plan = await step(think, topic)
        found = await gather(find(topic), keep(topic), order(topic))
        await sleep(8.0)
        verdict = await approved()
        sent = await step(send, verdict, effect=Effect.UNSAFE)
        return {"plan": plan, "found": found, "slept": True, "verdict": verdict, "sent": sent}

    return {"agent": Program("agent", run)}


async def live_through(world: World) -> Run:
    """One history: the message, the late approval, the end."""
    run_id = await world.submit("agent", "owls")
    await asyncio.sleep(APPROVAL_SECONDS)
    await world.deliver(run_id, "approval", "yes")
    return await world.end_of(run_id)


__all__ = ["APPROVAL_SECONDS", "EXPECTED", "Submit", "agent", "live_through"]
