"""The timeline: how router and intake stood at each moment, by their own word, read ten times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from watership.durable.ids import DeploymentId
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.fleet.intake import Intake
from watership.releases.ports import Router

LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Moment:
    """Both planes as they stood from `at` on. Shares in per cent."""

    at: datetime
    router: Mapping[Slot, int]
    intake: Mapping[DeploymentId, int]


@dataclass(slots=True)
class Timeline:
    """Moments at which something had changed, in order."""

    moments: list[Moment] = field(default_factory=list)

    def add(self, moment: Moment) -> bool:
        """Keep a moment if it differs from the one before; whether it does."""
        last = self.moments[-1] if self.moments else None
        if last is not None and (last.router, last.intake) == (moment.router, moment.intake):
            return False
        self.moments.append(moment)
        return True

    def first(
        self,
        *,
        after: datetime,
        slot: Slot,
        least: int = 0,
        most: int = 100,
        deployment: DeploymentId | None = None,
    ) -> datetime | None:
        """When the slot's weight (and the deployment's share of new work) first was within bounds after a moment."""
        for index, moment in enumerate(self.moments):
            until = self.moments[index + 1].at if index + 1 < len(self.moments) else None
            if until is not None and until <= after:
                continue
            fits = least <= moment.router.get(slot, 0) <= most
            if deployment is not None:
                fits = fits and least <= moment.intake.get(deployment, 0) <= most
            if fits:
                return max(moment.at, after)
        return None


async def keep_time(timeline: Timeline, router: Router, intake: Intake) -> None:
    """Look until cancelled. What does not answer just now is asked again."""
    while True:
        try:
            shares = await router.read()
            work = await intake.read()
        except Unavailable:
            await asyncio.sleep(LOOK_SECONDS)
            continue
        timeline.add(Moment(datetime.now(UTC), shares.weights, work.weights))
        await asyncio.sleep(LOOK_SECONDS)
