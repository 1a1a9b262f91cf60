"""A rollback at once goes by the last safe side's record alone: no journal is read, and no run replayed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from watership.durable.ids import DeploymentId
from watership.errors import Conflict, NotFound, Unavailable, WatershipError
from watership.releases.auditing.audit import Fact
from watership.releases.cutover import Dial, LastSafe
from watership.releases.environment import Authority, Environment
from watership.releases.measurement import Finding, failed, inconclusive
from watership.releases.plan import Side
from watership.releases.readiness.records import TakenBack
from watership.releases.rollback import misplaced, past_return, traffic_back
from watership.releases.snapshots import CONTRACTED, LAST_SAFE, Contraction, Snapshots, load
from watership.releases.verdict import Verdict

WORDS: Final = 1000
"""Characters of a reason, and of what was found, that go on record."""

NOBODY: Final = DeploymentId("nobody")
"""No deployment has this name: to stop it changes nothing."""


async def rollback_now(env: Environment, *, who: str, reason: str, force: bool = False) -> Finding:
    """Both planes to the last safe side, now, by its record alone; no journal is read. The release has it on record.

    Raises Conflict where a controller lives, which gets the order instead; one that hangs is deposed with `force`.
    """
    safe = await load(env.snapshots, LAST_SAFE, LastSafe)
    if safe is None:
        raise NotFound("No release has changed anything yet, so there is nothing to take back.")
    await require_readable(env.snapshots, safe.to)
    await _require_standing(env, safe)
    authority = Authority(env.lock, who=who, release=safe.release)
    try:
        await authority.take()
    except Conflict:
        if not force:
            raise
        authority = await _above(env, who, safe.release)
    try:
        facts: dict[str, Fact] = {"release": safe.release, "reason": reason, "epoch": authority.epoch}
        env.audit.append(who, "release.rollback_now", facts)
        dial = Dial(env, authority, to=safe.to, away=safe.away)
        began = env.clock.now()
        found = await traffic_back(env, authority, dial)
        if force:
            found = await _heard_by_hosts(env, authority, found)
        if found.verdict is Verdict.PASSED:
            found = await _looked_at(env, safe, found)
        told: dict[str, Fact] = {"release": safe.release, "evidence": found.evidence}
        env.audit.append(who, f"release.rollback_now.{found.verdict.value}", told)
        return await _recorded(env, safe.release, found, who=who, reason=reason, began=began)
    finally:
        await authority.give_up()


async def _looked_at(env: Environment, safe: LastSafe, found: Finding) -> Finding:
    """Traffic is back; whether it went to that very build, only its processes say."""
    try:
        why = await misplaced(env, safe.to)
    except Unavailable as error:
        return inconclusive(f"{found.evidence} Whether its processes are of that build is not known: {error}")
    return failed(f"{found.evidence} But meanwhile {why}.") if why else found


async def _heard_by_hosts(env: Environment, authority: Authority, found: Finding) -> Finding:
    """Whoever was deposed starts and stops nothing any more: the hosts hear of the higher epoch with an empty wish."""
    try:
        await env.hosts.stop(NOBODY, grace_seconds=0.0, epoch=authority.epoch)
    except WatershipError as error:
        return failed(f"{found.evidence} But the hosts would still obey who was deposed: {error.message}")
    return found


async def _recorded(
    env: Environment, release: str, found: Finding, *, who: str, reason: str, began: datetime
) -> Finding:
    """The release has it on record from here on. That it could not be written hides nothing of what was done."""
    record = TakenBack(
        person=who,
        reason=reason[:WORDS],
        began=began,
        ended=env.clock.now(),
        done=found.verdict is Verdict.PASSED,
        evidence=found.evidence[:WORDS],
    )
    try:
        await env.records.add(release, record)
    except WatershipError as error:
        return failed(f"{found.evidence} But release {release} does not have it on record: {error.message}")
    return found


async def require_readable(snapshots: Snapshots, to: Side) -> None:
    """Raises Conflict once a contract was begun whose result `to` cannot read: the point of no return is behind us."""
    gone = await load(snapshots, CONTRACTED, Contraction)
    if gone is None or gone.version in to.build.schema:
        return
    reads = to.build.schema
    raise Conflict(
        f"There is no way back to {to.build.version}, which reads schema {reads.lowest} to {reads.highest}: {gone.who} "
        f"contracted to schema {gone.version} at {gone.at:%Y-%m-%d %H:%M:%S} UTC (release {gone.release}).",
        fix="Go forward with a build that reads it: watership release plan BUILD. What a restore would lose: "
        "watership backup restore --dry-run",
    )


async def _require_standing(env: Environment, safe: LastSafe) -> None:
    """Nobody is sent to a slot in which something else, or nothing, is known to stand by now."""
    try:
        why = await misplaced(env, safe.to)
    except Unavailable:
        # A host that does not answer keeps no traffic from going back: the router refuses a slot without a healthy
        # instance, and what is not known now is told afterwards.
        why = ""
    if why:
        raise Conflict(
            f"The last safe side of release {safe.release} is gone: {safe.to.deployment} does not stand in "
            f"{safe.to.slot.value}: {why}.",
            fix="See what stands: watership environment show. Then release a good build: watership release plan.",
        )
    if why := await past_return(env, safe.to):
        raise Conflict(
            f"Release {safe.release} cannot be taken back: {why}", fix="watership release plan BUILD"
        )


async def _above(env: Environment, who: str, release: str) -> Authority:
    free = await env.lock.read() is None
    authority = (Authority if free else _Forced)(env.lock, who=who, release=release)
    await authority.take()
    return authority


class _Forced(Authority):
    """An epoch above a holder that hangs, without his lock."""

    async def take(self) -> None:
        self._holder = await self._lock.depose(who=self._who, release=self._release)

    async def retake(self) -> None:
        await self.take()

    async def give_up(self) -> None:
        """The lock was never held."""
