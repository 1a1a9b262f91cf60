"""A router that fails, hangs, does half of it or lies, at each call: a release converges, or a person is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import pytest

from tests.simulation.release_targets import SimHosts, SimRouter
from tests.simulation.release_world import ReleaseWorld
from tests.simulation.test_release import BAD
from watership.durable.clock import Clock
from watership.durable.ports import RunFilter
from watership.durable.states import RunState
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.ports import RouterState, SlotWeights
from watership.testing import run_in_virtual_time

ANSWER_SECONDS = 5.0
"""After which a caller of a router that hangs gives up."""

LONG = 10_000
"""Calls: more than a release makes, and than are tried until a person is asked."""

PATIENCE = 1_200.0
"""Virtual seconds in which a release has ended, or has asked a person."""


class Fault(StrEnum):
    FAILS = "fails"
    """It answers with an error, and does nothing."""
    IS_LATE = "is late"
    """It does what it is told, and the answer is lost."""
    HANGS = "hangs"
    """It does nothing, and there is no answer."""
    HALVES = "halves"
    """It raises the one weight, does not lower the other, and says that it did."""
    LIES = "lies"
    """It says that it did, and does nothing."""


class FaultyRouter(SimRouter):
    """Has its fault from call number `first` on, for `length` calls. Reading counts, and can only fail or hang."""

    first, length, fault = LONG, 0, Fault.FAILS
    calls = 0

    def __init__(self, clock: Clock, hosts: SimHosts, **facts: Any) -> None:
        super().__init__(clock, hosts, **facts)
        self.clock = clock

    async def _ask(self, act: Callable[[], Awaitable[Any]], half: Callable[[], Awaitable[Any]]) -> Any:
        self.calls += 1
        if not self.first <= self.calls < self.first + self.length:
            return await act()
        match self.fault:
            case Fault.FAILS:
                raise Unavailable("The router says: internal error.")
            case Fault.IS_LATE:
                await act()
                await self.clock.sleep(ANSWER_SECONDS)
                raise Unavailable("The router did not answer in time.")
            case Fault.HANGS:
                await self.clock.sleep(ANSWER_SECONDS)
                raise Unavailable("The router did not answer in time.")
            case Fault.HALVES:
                return await half()
            case Fault.LIES:
                return await super().read()

    async def read(self) -> RouterState:
        async def there() -> RouterState:
            return await super(FaultyRouter, self).read()

        return await self._ask(there, there)  # type: ignore[no-any-return]

    async def set_weights(self, weights: SlotWeights, **facts: Any) -> RouterState:
        def setting(chosen: SlotWeights) -> Callable[[], Awaitable[RouterState]]:
            return lambda: self._setting(chosen, **facts)

        raised = {slot: max(self.weights[slot], weights[slot]) for slot in Slot}
        return await self._ask(setting(weights), setting(raised))  # type: ignore[no-any-return]

    async def _setting(self, weights: SlotWeights, **facts: Any) -> RouterState:
        # What it sets it reads by itself: no fault of a call within a call.
        first, self.first = self.first, LONG * LONG
        try:
            return await super().set_weights(weights, **facts)
        finally:
            self.first, self.calls = first, self.calls - 1

    async def set_targets(self, slot: Slot, addresses: Any, *, epoch: int) -> None:
        async def none() -> None: ...

        await self._ask(lambda: super(FaultyRouter, self).set_targets(slot, addresses, epoch=epoch), none)

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int:
        left = await self._ask(
            lambda: super(FaultyRouter, self).drain(slot, seconds=seconds, epoch=epoch), _none_left
        )
        return left if isinstance(left, int) else 0


async def _none_left() -> int:
    return 0


async def ended(world: ReleaseWorld, bad: float) -> str:
    """How the release ended; `asks` where it stands and a person is asked what to do."""
    await world.begin()
    controller = world.controller()
    running = asyncio.create_task(controller.start(world.brief()))
    end = world.clock.monotonic() + PATIENCE
    while not running.done() and world.clock.monotonic() < end:
        await world.clock.sleep(1.0)
        (run,) = (await world.own.list(RunFilter())).runs
        if any(wait.kind == "signal" and wait.about for wait in run.waits) and run.state is RunState.WAITING:
            break
    if not running.done():
        (run,) = (await world.own.list(RunFilter())).runs
        asks = run.state is RunState.WAITING
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert asks, f"it neither ended nor asked within {PATIENCE:g} s"
        return "asks"
    outcome = running.result()
    world.router.first = LONG * LONG  # type: ignore[attr-defined]  # what it is, not what it says
    faults = await world.faults(outcome)
    assert faults == [], f"{outcome}: {faults}"
    return outcome.outcome


def histories(fault: Fault, length: int, bad: float, *, every: int) -> dict[int, str]:
    """The endings of releases in which the router has its fault from call n on."""

    def history(first: int) -> tuple[str, int]:
        async def main() -> tuple[str, int]:
            kind = type("Planted", (FaultyRouter,), {"first": first, "length": length, "fault": fault})
            world = ReleaseWorld(bad=bad, router=kind)
            return await ended(world, bad), world.router.calls  # type: ignore[attr-defined]

        return run_in_virtual_time(main, limit_seconds=3 * PATIENCE)

    _, total = history(LONG)
    return {first: history(first)[0] for first in range(1, total + 1, every)}


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_of_one_call_is_got_over_and_a_good_build_is_promoted(fault: Fault, nightly: bool) -> None:
    ends = histories(fault, 1, 0.0, every=1 if nightly else 17)
    assert set(ends.values()) <= {"promoted", "rolled_back"}
    assert list(ends.values()).count("promoted") > 0.8 * len(ends)


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_of_one_call_never_lets_a_broken_build_through(fault: Fault, nightly: bool) -> None:
    ends = histories(fault, 1, BAD, every=1 if nightly else 17)
    assert set(ends.values()) == {"rolled_back"}


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_that_stays_ends_a_release_or_stops_it_and_calls_a_person(
    fault: Fault, nightly: bool
) -> None:
    ends = histories(fault, LONG, 0.0, every=3 if nightly else 61)
    # What read back before the fault stands; after it nothing is promoted on what nobody read.
    assert set(ends.values()) <= {"promoted", "rolled_back", "refused", "asks"}
    assert "asks" in ends.values() or fault in (Fault.IS_LATE, Fault.HALVES, Fault.LIES)
