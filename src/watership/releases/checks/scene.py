"""The scene of a check: the release, the item and its parameters, and the environment to measure in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from watership.durable.states import TERMINAL, RunState
from watership.errors import BadInput
from watership.releases.environment import Environment
from watership.releases.facts import Position
from watership.releases.measurement import Finding
from watership.releases.order import Release
from watership.releases.plan import Plan, PlannedItem, Side
from watership.releases.ports import Instance
from watership.releases.runbook import Check

POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Scene:
    """What a check gets. Its parameters are read with `text` and `number`, which know no defaults."""

    env: Environment
    release: Release
    item: PlannedItem
    position: Position
    attempt: int

    @property
    def plan(self) -> Plan:
        return self.release.plan

    @property
    def check(self) -> Check:
        assert isinstance(self.item.does, Check)
        return self.item.does

    @property
    def side(self) -> Side:
        """The side that the parameter `of` names."""
        match self.text("of"):
            case "live":
                return self.plan.live
            case "next":
                return self.plan.next
            case other:
                raise BadInput(f"'of' is live or next, not {other!r}.")

    def text(self, name: str) -> str:
        value = self.check.parameters.get(name)
        if not isinstance(value, str):
            raise BadInput(f"The check {self.check.check} of {self.item.key} needs '{name}'.")
        return value

    def number(self, name: str) -> float:
        value = self.check.parameters.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInput(f"The check {self.check.check} of {self.item.key} needs the number '{name}'.")
        return float(value)

    def now(self) -> datetime:
        return self.env.clock.now()

    async def instances(self, side: Side) -> Sequence[Instance]:
        return [each for each in await self.env.hosts.instances() if each.deployment == side.deployment]

    async def addresses(self, side: Side) -> Sequence[str]:
        """Where the side's serving processes listen. Raises BadInput when there is none."""
        found = [each.address for each in await self.instances(side) if each.role == "serve" and each.address]
        if not found:
            raise BadInput(f"No serving process of {side.deployment} has told its address.")
        return found

    async def until(self, good: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Look again until it is so, `seconds` at most."""
        end = self.env.clock.monotonic() + seconds
        while not await good():
            if self.env.clock.monotonic() >= end:
                return False
            await self.env.clock.sleep(POLL_SECONDS)
        return True


CheckFunction = Callable[[Scene], Awaitable[Finding]]


async def measure(scene: Scene, check: CheckFunction) -> Finding:
    """Let a check measure, within the item's timeout."""
    async with asyncio.timeout(scene.check.timeout):
        return await check(scene)


def unfinished(state: RunState) -> bool:
    return state not in TERMINAL
