"""The attendant keeps a release's appointments: what its validations ask is measured in their time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from watership.releases.checks.scene import Scene
from watership.releases.environment import Environment
from watership.releases.journal import Fold
from watership.releases.order import Release
from watership.releases.readiness import aftercare
from watership.releases.readiness.records import Measured
from watership.releases.readiness.rounds import round_of

LOOK_SECONDS: Final = 1.0

ATTENDANT: Final = "attendant"

Look = Callable[[], Awaitable[Fold]]
"""The release's journal, folded, at this moment."""


class Attendant:
    """Looks after one release, in the scene that its checks measure in."""

    def __init__(self, env: Environment, release: Release, scene: Scene, look: Look) -> None:
        self._env = env
        self._release = release
        self._scene = scene
        self._look = look

    async def look_once(self) -> None:
        """Measure what is to be measured now, and put it on record."""
        state = await self._look()
        promoted = aftercare.promoted_at(state)
        if promoted is None:
            return
        plan = self._release.plan
        records = await self._env.records.all(plan.release)
        now = self._env.clock.now()
        points = aftercare.wanted(plan, records, promoted=promoted, now=now)
        # Some look back to the cutover, which is in the journal.
        scene = replace(self._scene, position=state.position)
        for name, got in (await round_of(scene, points)).items():
            record = Measured(point=name, build=plan.next.build.digest, by=ATTENDANT, got=got)
            await self._env.records.add(plan.release, record)
