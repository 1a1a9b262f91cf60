"""An expansion takes a release's migrations forward; writes wait only for those that ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from watership.errors import Unavailable
from watership.releases import pause
from watership.releases.checks.scene import POLL_SECONDS
from watership.releases.environment import Authority, Environment
from watership.releases.measurement import Finding, failed, found
from watership.releases.plan import Plan, PlannedMigration
from watership.releases.ports import Migration
from watership.releases.soundness import Soundness


class Expansion:
    """Runs steps that are `planned` one after the other, each within `timeout`. What is done already is passed over.

    A contract is run in the same way.
    """

    def __init__(
        self,
        env: Environment,
        authority: Authority,
        plan: Plan,
        planned: Sequence[PlannedMigration],
        *,
        timeout: float,
    ) -> None:
        self._env = env
        self._authority = authority
        self._plan = plan
        self._planned = planned
        self._timeout = timeout
        self._pausing = {each.name for each in planned if each.pauses_writes}
        self._pauses: list[pause.Paused] = []
        self._told: list[str] = []
        self._sound = Soundness(env.migrator)

    async def run(self, steps: Sequence[Migration]) -> Finding:
        if self._pausing and self._plan.holds and not (await self._env.router.read()).can_hold:
            return failed("The router cannot hold requests, and people were told that writes are held.")
        for migration in steps:
            if await self._env.migrator.version() >= migration.end:
                continue
            await self._sound.remember()
            try:
                await self._step(migration)
            except TimeoutError:
                return failed(await self._broken_off(migration), **pause.figures(self._pauses))
            await self._sound.look(migration.name)
        if self._pausing:
            # A controller that was killed in between left it on.
            await pause.lift(self._env, self._authority)
        return await self._read_back()

    async def _read_back(self) -> Finding:
        there, wanted = await self._env.migrator.version(), self._planned[-1].end
        facts, wrong = pause.figures(self._pauses), await self._sound.wrong()
        words = [
            f"The database reports schema {there}; {wanted} was planned.",
            *self._told,
            pause.measured_pause(facts),
            *wrong,
        ]
        good = there >= wanted and not wrong
        return found(good, " ".join(filter(None, words)), version=there, **facts)

    async def _step(self, migration: Migration) -> None:
        """A database that is busy is asked again. Each time that writes wait for it they get through in between."""
        end = self._env.clock.monotonic() + self._timeout
        while True:
            try:
                await self._tried(migration)
                break
            except Unavailable:
                if self._env.clock.monotonic() >= end:
                    raise
                await self._env.clock.sleep(POLL_SECONDS)
        if migration.header.kind == "backfill":
            rows = await self._env.migrator.fill(migration, epoch=self._authority.epoch)
            self._told.append(f"{migration.name} changed {rows:,} rows, by the database's own count.")

    async def _tried(self, migration: Migration) -> None:
        async def apply() -> None:
            async with asyncio.timeout(self._timeout):
                await self._env.migrator.apply(migration, forward=True, epoch=self._authority.epoch)

        if migration.name in self._pausing:
            waiting = pause.held if self._plan.holds else pause.refused
            self._pauses.append(await waiting(self._env, self._authority, apply))
        else:
            await apply()

    async def _broken_off(self, migration: Migration) -> str:
        there = await self._env.migrator.version()
        words = (
            f"Migration {migration.name} was not done in time, and was broken off: schema {there} is there."
        )
        again = " It goes on where it was: watership migrate up."
        return words + (again if migration.header.kind == "backfill" else "")
