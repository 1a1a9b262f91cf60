"""The lookout opens incidents by rule while a release goes on, and has the levels of their escalation told in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from watership.releases import aftercare
from watership.releases.alarm import Alarm, WindowFailed, alarms_in
from watership.releases.environment import Environment
from watership.releases.order import Release
from watership.releases.response import Response, Tell
from watership.releases.status import Fold

LOOK_SECONDS: Final = 2.0

LOOKOUT: Final = "lookout"

Look = Callable[[], Awaitable[Fold]]
"""The release's journal, folded, at this moment."""


class Lookout:
    """Watches over one release."""

    def __init__(
        self, env: Environment, release: Release, look: Look, response: Response, tell: Tell
    ) -> None:
        self._env = env
        self._release = release
        self._look = look
        self._response = response
        self._tell = tell

    async def look_once(self) -> None:
        """Open what is due, and tell whom it is time to tell."""
        name = self._release.plan.release
        alarms: Sequence[Alarm] = [
            each for each in alarms_in(self._env.audit.entries()) if each.release == name
        ]
        await self._response.look([*alarms, *await self._failed()], self._tell)

    async def _failed(self) -> list[Alarm]:
        """The points of validations that failed when they were measured last."""
        promoted = aftercare.promoted_at(await self._look())
        if promoted is None:
            return []
        plan = self._release.plan
        records = await self._env.records.all(plan.release)
        return [
            WindowFailed(release=plan.release, window=validation.id, point=point.id, text=point.text, got=got)
            for validation, point, got in aftercare.looked_at(plan, records, promoted=promoted)
        ]
