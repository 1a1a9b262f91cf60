"""Acts change the environment: each sets an absolute state under the epoch, and reads it back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from watership.errors import Unavailable
from watership.fleet.deployment import Deployment, DeploymentState
from watership.fleet.stranded import lingering, open_runs
from watership.releases import entrance
from watership.releases.begun import spec
from watership.releases.book.runbook import Backup, Check, Deploy, Drain, Migrate, Repoint, Shift, Soak, Ttl
from watership.releases.checks import CheckKind, Scene
from watership.releases.checks.builds import strangers
from watership.releases.checks.database import scripts
from watership.releases.checks.room import taken
from watership.releases.checks.scene import POLL_SECONDS
from watership.releases.cutover import HOLD_SECONDS, Dial, TakenBack, remember_safe, shift, turn
from watership.releases.environment import Authority, Environment
from watership.releases.expansion import Expansion
from watership.releases.facts import Position
from watership.releases.judging.vigil import Watchword, watch_over
from watership.releases.measurement import Finding, failed, found, inconclusive, passed
from watership.releases.order import Order, Release
from watership.releases.plan import PlannedItem, Side
from watership.releases.rollback import DRAIN_SECONDS, STOP_SECONDS, dismiss
from watership.releases.snapshots import STANDING, save

OrdersSince = Callable[[int], Awaitable[Sequence[Order]]]
"""The orders that came after so many."""


class Standing(Struct, frozen=True, kw_only=True):
    """Who is live since when, and who stands by for it."""

    live: Side
    standby: Side
    since: datetime


class Acts:
    """What a release can do, for one release in one environment."""

    def __init__(
        self,
        env: Environment,
        authority: Authority,
        release: Release,
        orders: OrdersSince,
        kinds: Mapping[str, CheckKind],
    ) -> None:
        self.env = env
        self.authority = authority
        self.release = release
        self._orders = orders
        self._kinds = kinds
        self.dial = Dial(env, authority, to=release.plan.live, away=release.plan.next)

    async def do(self, item: PlannedItem, attempt: int, position: Position) -> Finding:
        """Try one item of the plan."""
        if not isinstance(item.does, Check | Backup):
            await remember_safe(self.env, self.release.plan)
        match item.does:
            case Check() as check:
                return await self._check(item, check, attempt, position)
            case Deploy(timeout=timeout):
                return await self._deploy(attempt, timeout)
            case Backup():
                return await taken(self.env, self.release.plan.release)
            case Migrate(timeout=timeout):
                return await self._migrate(timeout)
            case Shift(weight=weight):
                return await self._shift(item, position, round(100 * weight))
            case Soak():
                return await self._soak(item, item.does, attempt, position)
            case Drain(length=length):
                return await self._drain(length)
            case Ttl() as ttl:
                return await entrance.keep_for(self.env, self.authority, self.release.plan, ttl)
            case Repoint() as to:
                return await entrance.lead(
                    self.env,
                    self.authority,
                    self.release.plan,
                    to,
                    position=position,
                    ordered=lambda: self.ordered_back(position),
                )
            case _:
                assert_never(item.does)

    async def _check(self, item: PlannedItem, check: Check, attempt: int, position: Position) -> Finding:
        """Let a check measure, within its time."""
        scene = Scene(
            key=item.key,
            clock=self.env.clock,
            timeout=check.timeout,
            attempt=attempt,
            position=position,
            environment=self.env,
            instruments=self.env.instruments,
            started=self.release,
            records=self.env.records,
            systems=self.release.plan.systems,
            incidents=self.env.incidents,
            kinds=self._kinds,
        )
        async with asyncio.timeout(check.timeout):
            return await self._kinds[check.check].measure(scene, check.parameters)

    # --- deployment -----------------------------------------------------------------------------------------

    async def _deploy(self, attempt: int, timeout: float) -> Finding:
        """Processes of next that all report its digest, known to the router and healthy by its own word."""
        env, nxt, epoch = self.env, self.release.plan.next, self.authority.epoch
        await self._clear_slot(nxt)
        if attempt > 1:
            # What failed before is not trusted again: the retry begins with new processes.
            await env.hosts.stop(nxt.deployment, grace_seconds=STOP_SECONDS, epoch=epoch)
        await env.deployments.put(
            Deployment(
                id=nxt.deployment,
                build=nxt.build,
                slot=nxt.slot,
                state=DeploymentState.STANDING,
                created_at=self.release.zero,
            ),
            epoch=epoch,
        )
        await env.hosts.ensure(spec(nxt, self.release.plan.size), epoch=epoch)
        end = env.clock.monotonic() + timeout
        while (wrong := await self._not_ready(nxt)) and env.clock.monotonic() < end:
            await env.clock.sleep(POLL_SECONDS)
        words = "; ".join(wrong) or f"{nxt.build.version} stands in {nxt.slot.value} and is ready."
        return found(not wrong, words)

    async def _not_ready(self, side: Side) -> list[str]:
        """What is still missing; the router is told of instances as soon as they are known."""
        env, size = self.env, self.release.plan.size
        instances = [each for each in await env.hosts.instances() if each.deployment == side.deployment]
        if len(instances) < size.serve + size.workers:
            return [f"{len(instances)} of {size.serve + size.workers} processes are there"]
        if wrong := strangers(instances, side):
            return wrong
        addresses = [each.address for each in instances if each.role == "serve" and each.address]
        state = await env.router.read()
        if tuple(state.targets.get(side.slot, ())) != tuple(addresses):
            await env.router.set_targets(side.slot, addresses, epoch=self.authority.epoch)
            state = await env.router.read()
        healthy = state.healthy.get(side.slot, 0)
        return [] if healthy >= size.serve else [f"the router finds {healthy} of {size.serve} healthy"]

    async def _clear_slot(self, nxt: Side) -> None:
        """What stood in the slot lingers for its runs; what has none left is retired."""
        epoch = self.authority.epoch
        everyone, census = await self.env.deployments.all(), await self.env.runs.census()
        serving = {nxt.deployment, self.release.plan.live.deployment}
        staying = lingering(everyone, census, serving=serving)
        for each in everyone:
            if each.id in serving:
                continue
            if each in staying:
                side = Side(build=each.build, deployment=each.id, slot=each.slot)
                await self.env.hosts.ensure(spec(side, replace(self.release.plan.size, serve=0)), epoch=epoch)
            await dismiss(self.env, each.id, runs_left=open_runs(census, each.id), epoch=epoch)

    # --- schema ---------------------------------------------------------------------------------------------

    async def _migrate(self, timeout: float) -> Finding:
        plan = self.release.plan
        if not plan.migrations:
            return passed("The plan has no migration.", version=await self.env.migrator.version())
        expansion = Expansion(self.env, self.authority, plan, plan.migrations, timeout=timeout)
        return await expansion.run(scripts(self.release))

    # --- traffic --------------------------------------------------------------------------------------------

    async def _shift(self, item: PlannedItem, position: Position, weight: int) -> Finding:
        weight = min(weight, self.release.plan.full)
        if weight == self.release.plan.full and not position.judged:
            return failed("Next was not judged; nothing is promoted on that.")
        return await shift(
            self.env, self.dial, self.release.plan, item.key, before=position.weight, weight=weight
        )

    async def _soak(self, item: PlannedItem, soak: Soak, attempt: int, position: Position) -> Finding:
        plan = self.release.plan
        word = Watchword(
            name=f"{plan.release}.{item.key}.{attempt}",
            plan=plan,
            gate=plan.gate,
            length=soak.length,
            give_up=soak.give_up,
            promotes=True,
            share=position.weight / 100 if 0 < position.weight < 100 else None,
            keep=lambda: self.dial.confirm(position.weight),
            ordered=lambda: self.ordered_back(position),
        )
        return await watch_over(self.env, word)

    async def _drain(self, seconds: float) -> Finding:
        """Live's requests end; what is left then is told, and not cut off by us: live stands by.

        A live that keeps a little for the watch is not drained before that is over.
        """
        live, full = self.release.plan.live, self.release.plan.full
        if full < 100:
            there = await self.dial.read()
            words = f"The router gives next {there.router} %; {100 - full} % stay on live for the watch."
            return found(there.router == full, words)
        left = await self.env.router.drain(live.slot, seconds=seconds, epoch=self.authority.epoch)
        there = await self.dial.read()
        told = (
            "How many requests of live are left is not told"
            if left is None
            else f"{left} requests of live are left"
        )
        words = f"{told}; the router gives next {there.router} %."
        return found(there.router == 100, words, left=left)

    async def promote(self) -> Finding:
        """Both planes say 100 % and are disarmed; the slots have exchanged their roles."""
        plan = self.release.plan
        there = await self.dial.read()
        if min(there.router, there.intake) < plan.full:
            raise TakenBack(f"The router gives next {there.router} % and the intake {there.intake} %.")
        if plan.migrations and (wrong := await self.env.migrator.integrity()):
            return failed(f"The database is not sound: {'; '.join(wrong)}.")
        good, words = await turn(self.env, self.dial, plan.full, hold=None)
        if not good:
            return failed(f"{plan.full} % for next does not read back: {words}.")
        standing = Standing(live=plan.next, standby=plan.live, since=self.env.clock.now())
        await save(self.env.snapshots, STANDING, standing)
        return passed(f"{plan.next.build.version} is live; {plan.live.build.version} stands by.")

    async def let_go(self) -> Finding:
        """What was held back goes to next, and live's last requests end: from here on it stands by."""
        good, words = await turn(self.env, self.dial, 100, hold=None)
        if not good:
            return failed(f"100 % for next does not read back: {words}.")
        live = self.release.plan.live
        left = await self.env.router.drain(live.slot, seconds=DRAIN_SECONDS, epoch=self.authority.epoch)
        told = "" if left is None else f"; {left} requests of live are left"
        return passed(f"Set and read back: {words}{told}.", left=left)

    async def watch(self, position: Position) -> Finding:
        """Until the watch is over; nothing but a failure ends it otherwise than well."""
        plan = self.release.plan
        word = Watchword(
            name=f"{plan.release}.watch",
            plan=plan,
            gate=plan.watch_gate,
            length=plan.watch_seconds,
            give_up=plan.watch_seconds,
            promotes=False,
            share=plan.full / 100 if plan.full < 100 else None,
            keep=self._still_live,
            ordered=lambda: self.ordered_back(position),
        )
        return await watch_over(self.env, word)

    async def _still_live(self) -> None:
        """Nobody has taken the traffic back meanwhile. Raises TakenBack."""
        try:
            there = await self.dial.read()
        except Unavailable:
            return
        if min(there.router, there.intake) < self.release.plan.full:
            raise TakenBack(f"The router gives next {there.router} % and the intake {there.intake} %.")

    async def keep_split(self, position: Position) -> Finding:
        """On hold within a split: keep it up until somebody orders something."""
        while not await self._orders(position.seen):
            await self.dial.confirm(position.weight)
            await self.env.clock.sleep(HOLD_SECONDS / 4)
        return inconclusive("There is an order.")

    async def ordered_back(self, position: Position) -> str | None:
        for order in await self._orders(position.seen):
            if order.kind in ("abort", "rollback"):
                return f"{order.kind} ordered by {order.who}"
        return None
