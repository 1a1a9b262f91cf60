"""Two controllers at once: whoever stands still for a minute, and is overtaken meanwhile, changes nothing any more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.simulation.release_world import Life, ReleaseWorld
from watership.errors import NotFound
from watership.releases.program import Outcome
from watership.releases.rollback_now import rollback_now
from watership.releases.verdict import Verdict
from watership.testing import run_in_virtual_time
from watership.testing.processes import Process

SECONDS = 3600.0
BAD = 0.15
AFTERWARDS = 90.0
"""Seconds in which the one that stood still goes on, for as long as it likes."""

Overtake = Callable[[ReleaseWorld], Awaitable[str]]


OWN_STEP = {("migrator.apply", "schema")}
"""What a rollback by force does not tell of its epoch: a step of the schema that was under way comes to its end, as if
it had been a moment earlier. Live can live with it, and no second one follows."""

EVERY_BY_DAY = 7
"""Of the calls; an odd number, so that every kind of call has its turn."""


@dataclass(frozen=True)
class Met:
    """What came of two controllers. `before`: the call that the first one stood still before; empty: it made fewer."""

    before: str
    by: str = ""
    changed: tuple[str, ...] = ()
    first: str = ""
    ended: str = ""
    faults: tuple[str, ...] = ()

    @property
    def wrong(self) -> bool:
        if self.by == "nothing to take back":
            return bool(self.faults)  # nobody overtook it, and it goes on
        if self.by == "taken back" and self.ended == "promoted":
            faults = set(self.faults) - {"the router gives next 0 %", "the intake gives next 0 %"}
        else:
            faults = set(self.faults)
        acted = {(self.before, each) for each in self.changed} - OWN_STEP
        return bool(faults or acted) or self.first not in ("Deposed", "Conflict", "came to the same end")


async def meet(world: ReleaseWorld, at: int, overtake: Overtake) -> Met:
    """The first controller stands still before its call number `at`, the second overtakes it, the first wakes up."""
    await world.begin()
    process = Process("the first controller")
    life = Life(stands_at=at, process=process)
    first = process.start(world.controller(life).start(world.brief()))
    while not process.frozen and not first.done():
        await world.clock.sleep(0.02)
    if first.done():
        return Met(before="")
    by = await overtake(world)
    assert process.frozen, "the second one was done before the first one woke up"
    stood = world.standing()
    await world.clock.sleep(AFTERWARDS)
    now = world.standing()
    changed = tuple(name for name, value in stood.items() if now[name] != value)
    told = await _told(first)
    world.lock.holder = world.lock.owner = None
    outcome = await world._start_or_resume(world.controller())
    return Met(life.stood_before, by, changed, told, outcome.outcome, tuple(await world.faults(outcome)))


async def _told(first: asyncio.Task[Outcome]) -> str:
    """How the first one ended."""
    if not first.done():
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return "no end"
    return type(first.exception()).__name__ if first.exception() else "came to the same end"


async def second_controller(world: ReleaseWorld) -> str:
    """Who thought the first one dead has its lock, and sees the release through."""
    world.lock.holder = world.lock.owner = None
    outcome: Outcome = await world._start_or_resume(world.controller())
    return outcome.outcome


async def rollback_by_force(world: ReleaseWorld) -> str:
    """`release rollback --now --force` deposes the first one, which keeps its lock."""
    try:
        found = await rollback_now(world.controller()._env, who="Ina Charge", reason="it hangs", force=True)
    except NotFound:
        return "nothing to take back"
    assert found.verdict is Verdict.PASSED
    return "taken back"


def met(at: int, overtake: Overtake, **facts: Any) -> Met:
    async def main() -> Met:
        return await meet(ReleaseWorld(writes_only=True, **facts), at, overtake)

    return run_in_virtual_time(main, limit_seconds=SECONDS)


@pytest.mark.parametrize("overtake", [second_controller, rollback_by_force])
@pytest.mark.parametrize(("bad", "pausing"), [(0.0, True), (BAD, False)])
def test_who_stood_still_for_a_minute_at_any_call_and_was_overtaken_changes_nothing(
    overtake: Overtake, bad: float, pausing: bool, nightly: bool
) -> None:
    calls: Counter[str] = Counter()
    wrong = {}
    at = 1  # the odd ones lie before a call
    while (found := met(at, overtake, bad=bad, pausing=pausing)).before:
        calls[found.before] += 1
        if found.wrong:
            wrong[at] = found
        at += 2 * (1 if nightly else EVERY_BY_DAY)
    print(f"{overtake.__name__}: stood still before {calls.total()} calls: {dict(calls)}")  # noqa: T201
    assert wrong == {}
    assert calls.total() > (60 if nightly else 8)
