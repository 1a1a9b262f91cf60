"""The attendant keeps a release's appointments beside it: validations in their time, incidents that follow from them.

What it does delays no release and no rollback, and what goes wrong with it is in the audit, not in the release.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from watership.releases import aftercare
from watership.releases.checks.scene import Scene
from watership.releases.environment import Environment
from watership.releases.order import Release
from watership.releases.records import Measured
from watership.releases.rounds import round_of
from watership.releases.runbook import Validation
from watership.releases.status import Fold

LOOK_SECONDS: Final = 1.0

COMPLAINTS_SECONDS: Final = 60.0
"""Between two entries about the same trouble of the attendant's own."""

ATTENDANT: Final = "attendant"

Look = Callable[[], Awaitable[Fold]]
"""The release's journal, folded, at this moment."""

Unmet = Callable[[Sequence[tuple[Validation, tuple[str, ...]]]], Awaitable[None]]
"""What is to become of validations that were not met in their time."""


class Attendant:
    """Runs as a task of its own until it is cancelled."""

    def __init__(self, env: Environment, release: Release, scene: Scene, look: Look, unmet: Unmet) -> None:
        self._env = env
        self._release = release
        self._scene = scene
        self._look = look
        self._unmet = unmet
        self._complained: tuple[str, float] = ("", float("-inf"))

    async def run(self) -> None:
        while True:
            try:
                await self.look_once()
            except Exception as error:  # noqa: BLE001 - a release goes on whatever becomes of its attendant
                self._complain(f"{type(error).__name__}: {error}"[:1000])
            await self._env.clock.sleep(LOOK_SECONDS)

    async def finish(self) -> None:
        """Nothing is left: a validation whose time has not come is not looked at any more."""

    async def look_once(self) -> None:
        """Measure what is to be measured now, and tell of what was not met in its time."""
        promoted = aftercare.promoted_at(await self._look())
        if promoted is None:
            return
        plan = self._release.plan
        records = await self._env.records.all(plan.release)
        now = self._env.clock.now()
        points = aftercare.wanted(plan, records, promoted=promoted, now=now)
        for name, got in (await round_of(self._scene, points)).items():
            record = Measured(point=name, build=plan.next.build.digest, by=ATTENDANT, got=got)
            await self._env.records.add(plan.release, record)
            facts = {"release": plan.release, "point": name, "verdict": got.verdict.value}
            self._env.audit.append(ATTENDANT, "point.measured", facts)
        await self._unmet(aftercare.unmet(plan, records, promoted=promoted, now=now))

    def _complain(self, problem: str) -> None:
        """Into the audit, the same once a minute."""
        before, at = self._complained
        now = self._env.clock.monotonic()
        if problem == before and now - at < COMPLAINTS_SECONDS:
            return
        self._complained = (problem, now)
        self._env.audit.append(ATTENDANT, "attendant.failed", {"problem": problem})
