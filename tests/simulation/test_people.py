"""People who answer at the last moment, while workers crash: whoever was told that it counts, counts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from random import Random

import msgspec

from watership.agents.people.answering import Answers, Given, NotWaiting, NotYours
from watership.agents.people.approval import approve
from watership.agents.people.question import seen_of
from watership.durable import Program, step
from watership.durable.committer import WriteRefused
from watership.durable.events import AnswerRefused
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.fleet.identity import Identity
from watership.testing import run_in_virtual_time
from watership.testing.faults import Nemesis
from watership.testing.simulation import World, act, decoded

SEEDS = 60
NIGHTLY_SEEDS = 3_000
WITHIN = 60.0
LAST_SECONDS = 3.0
"""How long before or after the deadline the first person comes."""

YES = msgspec.Raw(b"true")


def payer(world: World) -> Program:
    async def pay(by: str) -> str:
        await act(world, f"paid, says {by}")
        return by

    async def run(_: msgspec.Raw) -> str:
        answer = await approve("Pay it?", by="finance", within=WITHIN, escalate=["lead"], otherwise="refused")
        return await step(pay, answer.by) if answer.granted else "nobody"

    return Program("pay", run)


async def give(world: World, run_id: RunId, name: str, role: str) -> bool:
    """Whether the person was told that their answer counts."""
    identity = Identity(
        person=name,
        tenant="default",
        roles=frozenset({role}),
        expires_at=world.clock.now() + timedelta(days=1),
    )
    run = await world.run(run_id)
    seen = seen_of(run_id, run.waits[0]) if run.waits else None
    try:
        await Answers(world, world.memory).give(run, None, Given(value=YES, identity=identity, seen=seen))
    except (NotWaiting, WriteRefused, NotYours):
        return False
    return True


async def history(seed: int) -> tuple[str, ...]:
    """The flaws of one history."""
    chance = Random(seed)
    world = World({}, nemesis=Nemesis(seed))
    world.programs = {"pay": payer(world)}
    async with world:
        run_id = await world.submit("pay")
        run = await world.until(run_id, RunState.WAITING)
        due = run.waits[0].due
        assert due is not None
        await give(world, run_id, "mallory", "sales")
        at = due + timedelta(seconds=chance.uniform(-LAST_SECONDS, LAST_SECONDS))
        await asyncio.sleep((at - world.clock.now()).total_seconds())
        in_time = await give(world, run_id, "fred", "finance")
        late = False
        while not in_time and not late and not (await world.run(run_id)).ended:
            await asyncio.sleep(chance.uniform(0.1, 5.0))
            late = await give(world, run_id, "lea", "lead")
        ended = await world.end_of(run_id)
        expected = "fred" if in_time else "lea" if late else "nobody"
        refused = [
            entry.event.by
            for entry in await world.memory.journal(run_id)
            if isinstance(entry.event, AnswerRefused)
        ]
        # A payment in doubt is settled by the world, which gives what was done in its own words.
        paid = str(decoded(ended)).removeprefix("paid, says ")
        told = () if paid == expected else (f"seed {seed}: {expected} and {paid!r}",)
        more = () if refused.count("mallory") == 1 else (f"seed {seed}: {refused}",)
        return (*told, *more, *world.oracle.violations)


def test_an_answer_counts_just_when_its_person_was_told_so(nightly: bool) -> None:
    for seed in range(NIGHTLY_SEEDS if nightly else SEEDS):
        assert run_in_virtual_time(partial(history, seed), seed=seed) == ()
