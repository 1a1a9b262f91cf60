"""The cutover moves both planes with one dial: set, read back, and held by dead-man's switches while unjudged."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from watership.errors import Conflict, Unavailable
from watership.fleet.stranded import open_runs
from watership.releases.environment import Authority, Environment
from watership.releases.measurement import Finding, failed, passed
from watership.releases.plan import Plan, Side
from watership.releases.snapshots import LAST_SAFE, load, save

HOLD_SECONDS = 15.0
"""What a split may live without its controller: a restart fits in, a person's attention does not."""

MARGIN_SECONDS = 2.0
"""A switch with less than this left counts as fired: it may fire before our next word reaches it."""

SETTLE_SECONDS = 0.5
"""Between tries to set what did not read back."""

TRIES = 5


class TakenBack(Conflict):
    """A plane no longer gives next what it was given: its switch fired, or another hand was at it."""

    code = "taken_back"


class LastSafe(Struct, frozen=True, kw_only=True):
    """All that a rollback needs to know. Written before a release changes anything, so that it is never the
    one of the release before, whose sides may be gone."""

    release: str
    to: Side
    away: Side
    at: datetime


async def remember_safe(env: Environment, plan: Plan) -> None:
    """Note the way back of this release, once, before anything is changed for it."""
    known = await load(env.snapshots, LAST_SAFE, LastSafe)
    if known is None or (known.release, known.to, known.away) != (plan.release, plan.live, plan.next):
        safe = LastSafe(release=plan.release, to=plan.live, away=plan.next, at=env.clock.now())
        await save(env.snapshots, LAST_SAFE, safe)


class Split(Struct, frozen=True, kw_only=True):
    """Next's share in per cent, as both planes themselves say."""

    router: int
    intake: int


class Dial:
    """Both planes of one release. `away` is the side that is raised, `to` the one that is safe."""

    def __init__(self, env: Environment, authority: Authority, *, to: Side, away: Side) -> None:
        self._env = env
        self._authority = authority
        self.to = to
        self.away = away

    async def read(self) -> Split:
        router, intake = await self._env.router.read(), await self._env.intake.read()
        return Split(
            router=router.weights.get(self.away.slot, 0),
            intake=intake.weights.get(self.away.deployment, 0),
        )

    async def safe(self) -> Split:
        """What both planes give the safe side. That next has nothing does not say that it has everything."""
        router, intake = await self._env.router.read(), await self._env.intake.read()
        return Split(
            router=router.weights.get(self.to.slot, 0), intake=intake.weights.get(self.to.deployment, 0)
        )

    async def set(self, weight: int, *, hold: float | None = None) -> Split:
        """Give next `weight` % of both planes; with `hold` the switches are armed. What they then say.

        The router first: it refuses a slot without a healthy instance, and then nothing has moved.
        """
        slots = {self.away.slot: weight, self.to.slot: 100 - weight}
        safe = {self.to.slot: 100, self.away.slot: 0}
        pins = {self.away.deployment: weight, self.to.deployment: 100 - weight}
        safe_pins = {self.to.deployment: 100, self.away.deployment: 0}
        epoch, armed = self._authority.epoch, hold is not None
        await self._env.router.set_weights(
            slots, epoch=epoch, hold_seconds=hold, last_safe=safe if armed else None
        )
        await self._env.intake.set_weights(
            pins, epoch=epoch, hold_seconds=hold, last_safe=safe_pins if armed else None
        )
        return await self.read()

    async def nearly_fired(self) -> bool:
        """Whether an armed switch has so little left that it may fire before it hears of us."""
        router, intake = await self._env.router.read(), await self._env.intake.read()
        left = [
            (until - now).total_seconds()
            for until, now in (
                (router.until, self._env.clock.now()),
                (intake.until, await self._env.intake.now()),
            )
            if until is not None
        ]
        return any(seconds < MARGIN_SECONDS for seconds in left)

    async def confirm(self, weight: int) -> None:
        """Renew the switches of a split, if it still stands. Raises TakenBack."""
        there = await self.read()
        if min(there.router, there.intake) < weight or await self.nearly_fired():
            raise TakenBack(f"The router gives next {there.router} % and the intake {there.intake} %.")
        await self.set(weight, hold=HOLD_SECONDS)


async def shift(env: Environment, dial: Dial, plan: Plan, key: str, *, before: int, weight: int) -> Finding:
    """Move both planes from `before` to `weight` and read them back. Raises TakenBack; never raises again
    what a switch has lowered while the controller was away."""
    await _still_ours(env, dial, f"{plan.release}.{key}.shift", before=before, weight=weight)
    there, words = await turn(env, dial, weight, hold=HOLD_SECONDS if weight < plan.full else None)
    if there:
        return passed(f"Set and read back: {words}.", weight=weight, **await _in_flight(env, plan))
    return failed(f"{weight} % for next does not read back: {words}.")


async def turn(env: Environment, dial: Dial, weight: int, *, hold: float | None) -> tuple[bool, str]:
    """Set both planes until they read back, a few times; whether they do, and what they say."""
    words = ""
    for attempt in range(TRIES):
        if attempt:
            await env.clock.sleep(SETTLE_SECONDS)
        try:
            there = await dial.set(weight, hold=hold)
        except Unavailable as error:
            words = str(error)
            continue
        words = f"the router gives next {there.router} %, the intake {there.intake} %"
        if there == Split(router=weight, intake=weight):
            return True, words
    return False, words


async def _still_ours(env: Environment, dial: Dial, name: str, *, before: int, weight: int) -> None:
    """Whether this shift may (still) be made: it is begun for the first time, or no switch fired since.

    From 0 % a plane that gives next nothing has either not been raised yet or been taken back; only the time
    since the shift first began tells that no switch can have fired. That moment is kept and never moved.
    """
    first = await load(env.snapshots, name, datetime)
    if first is None:
        await save(env.snapshots, name, env.clock.now())
    there = await dial.read()
    lowest = min(there.router, there.intake)
    if before == 0 and lowest < weight:
        away = 0.0 if first is None else (env.clock.now() - first).total_seconds()
        gone = away > HOLD_SECONDS - MARGIN_SECONDS
    else:
        gone = lowest < before or await dial.nearly_fired()
    if gone:
        raise TakenBack(
            f"The shift to {weight} % stood still until its dead-man's switch may have fired: "
            f"the router gives next {there.router} %, the intake {there.intake} %."
        )


async def _in_flight(env: Environment, plan: Plan) -> dict[str, int]:
    """Runs under way of both deployments, at this moment."""
    census = await env.runs.census()
    return {
        "runs_live": open_runs(census, plan.live.deployment),
        "runs_next": open_runs(census, plan.next.deployment),
    }
