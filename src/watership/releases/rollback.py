"""A rollback is one way back whatever the phase: traffic and intake first, then what next leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from watership.durable.ids import DeploymentId
from watership.durable.writes import Done, Rehome
from watership.errors import Conflict, Fenced, Unavailable
from watership.fleet.deployment import Deployment, DeploymentState
from watership.releases import pause
from watership.releases.begun import settle, spec
from watership.releases.cutover import Dial, Split
from watership.releases.environment import Authority, Environment
from watership.releases.judging.sight import served
from watership.releases.measurement import Finding, failed, passed
from watership.releases.order import Release
from watership.releases.plan import Side
from watership.releases.ports import InstanceState
from watership.releases.snapshots import quarantine

TRAFFIC_SECONDS = 120.0
"""The budget for traffic; after it a person must look."""

TRY_SECONDS = 0.5
DRAIN_SECONDS = 30.0
STOP_SECONDS = 30.0
LOOK_SECONDS = 0.5

SCHEMA_SECONDS = 2.0
"""How long traffic waits for a database to say where its schema is, before it goes back without that."""

SCHEMA_STAYS = "The schema stays expanded: the old build can live with it, and nothing is lost."


async def traffic_back(env: Environment, authority: Authority, dial: Dial) -> Finding:
    """Everything to the safe side, read back from both planes, switches disarmed.

    A target that refuses the epoch has seen a higher one: take the lock anew, and go on if it is ours.
    """
    if why := await past_return(env, dial.to):
        return failed(f"Nothing was taken back: {why}")
    end = env.clock.monotonic() + TRAFFIC_SECONDS
    while True:
        try:
            await dial.set(0)
            await pause.lift(env, authority)
            words, there = await whole(dial)
            if there:
                return passed(f"Back on {dial.to.build.version}: {words}. {SCHEMA_STAYS}")
        except Fenced as error:
            words = str(error)
            await authority.retake()
        except (Unavailable, Conflict) as error:
            words = str(error)
        if env.clock.monotonic() >= end:
            return failed(f"Traffic is not back after {TRAFFIC_SECONDS:g} s: {words}.")
        await env.clock.sleep(TRY_SECONDS)


async def past_return(env: Environment, side: Side) -> str:
    """Why nobody may be sent to `side` any more: it cannot live with the schema as it is, which was contracted since.

    Empty where it can. A database that does not answer keeps no traffic from going back: no contract is under way in a
    release, and whoever is to be taken back has the same database.
    """
    try:
        async with asyncio.timeout(SCHEMA_SECONDS):
            there = await env.migrator.version()
    except (Unavailable, TimeoutError):
        return ""
    schema = side.build.schema
    if there in schema:
        return ""
    return (
        f"{side.build.version} can live with the schemas {schema.lowest} to {schema.highest}, and the database is at "
        f"{there}: the point of no return is passed. Go forward: release a build that mends it."
    )


async def whole(dial: Dial) -> tuple[str, bool]:
    """What both planes say, and whether everything goes to the safe side."""
    there, safe = await dial.read(), await dial.safe()
    words = (
        f"the router gives next {there.router} % and live {safe.router} %, "
        f"the intake {there.intake} % and {safe.intake} %"
    )
    return words, there == Split(router=0, intake=0) and safe == Split(router=100, intake=100)


async def misplaced(env: Environment, side: Side) -> str:
    """Why `side` is not what its slot serves, by the register, the router and the processes' own digests;
    empty where it is."""
    known = await registered(env, side.deployment)
    if known is None or known.state is not DeploymentState.STANDING or known.slot is not side.slot:
        return "the register does not have it there"
    if known.build.digest != side.build.digest:
        return f"it was registered with the build {known.build.digest}"
    own = (side.deployment, side.build.digest)
    targets = (await env.router.read()).targets.get(side.slot, ())
    serving = [each for each in await env.hosts.instances() if each.role == "serve"]
    theirs = {each.address for each in serving if each.address and (each.deployment, each.digest) == own}
    # An address that nobody has is a process that just died, and the router's health view skips it.
    others = {each.address for each in serving if each.address} - theirs
    if strange := sorted(others & set(targets)):
        return f"the router sends to {', '.join(strange)}, which is no process of that build"
    return "" if theirs & set(targets) else "the router sends to no process of that build"


async def leave(
    env: Environment, authority: Authority, release: Release, *, began: datetime | None, quarantines: bool
) -> Finding:
    """Re-home what next never began, end what it serves, settle what it began, and put the digest away."""
    nxt, live, epoch = release.plan.next, release.plan.live, authority.epoch
    if quarantines:
        await quarantine(env.snapshots, nxt.build.digest)
    await pause.lift(env, authority)
    (outcome,) = (await env.work.write([Rehome(source=nxt.deployment, target=live.deployment)])).outcomes
    rehomed = outcome.count if isinstance(outcome, Done) else 0
    lost = None if began is None else await _failed_since(env, nxt, began)
    cut = await env.router.drain(nxt.slot, seconds=DRAIN_SECONDS, epoch=epoch)
    if await registered(env, nxt.deployment) is not None:
        await env.router.set_targets(nxt.slot, (), epoch=epoch)
        workers = 0 if release.plan.begun_runs == "quarantine" else release.plan.size.workers
        await env.hosts.ensure(spec(nxt, replace(release.plan.size, serve=0, workers=workers)), epoch=epoch)
    settled = await settle(env, release, epoch=epoch)
    left = settled.left
    await dismiss(env, nxt.deployment, runs_left=left, epoch=epoch)
    end = env.clock.monotonic() + STOP_SECONDS
    while (clings := await _clinging(env, nxt, left)) and env.clock.monotonic() < end:
        await env.clock.sleep(LOOK_SECONDS)
    if clings:
        return failed(f"{'; '.join(clings)}.", undrained=cut, rehomed=rehomed, lingering=left)
    kept = settled.words + (f"; {cut} requests were cut off after {DRAIN_SECONDS:g} s" if cut else "")
    kept += f"; whether requests were cut off after {DRAIN_SECONDS:g} s is not known" if cut is None else ""
    return passed(
        f"{rehomed} runs that it had not begun were re-homed{kept}. {SCHEMA_STAYS}",
        rehomed=rehomed,
        handed_over=settled.handed_over,
        lingering=left,
        undrained=cut,
        failed_requests=lost,
        quarantined=quarantines,
    )


async def _clinging(env: Environment, side: Side, runs_left: int) -> list[str]:
    """What is read back of a side that should be gone, but for the workers of its last runs."""
    targets = (await env.router.read()).targets.get(side.slot, ())
    instances = [each for each in await env.hosts.instances() if each.deployment == side.deployment]
    kept = [
        each.name
        for each in instances
        if each.state is not InstanceState.DEAD and (each.role == "serve" or not runs_left)
    ]
    known = await registered(env, side.deployment)
    wrong = []
    if targets:
        wrong.append(f"the router still knows {', '.join(targets)} in {side.slot.value}")
    if kept:
        wrong.append(f"{', '.join(kept)} still run")
    if known is not None and known.state is DeploymentState.STANDING:
        wrong.append(f"the register still has {side.deployment} in {side.slot.value}")
    return wrong


async def _failed_since(env: Environment, side: Side, began: datetime) -> int | None:
    """Requests that failed on a side; None where the router does not know any more."""
    # The second in which the traffic went back is counted too, as soon as it is over.
    await env.clock.sleep(1.0)
    try:
        now = env.clock.now().timestamp()
        return (await served(env, side.slot, after=began.timestamp() - 1, until=now)).errors
    except Unavailable:
        return None


async def dismiss(env: Environment, deployment: DeploymentId, *, runs_left: int, epoch: int) -> None:
    """Stop a deployment that has no runs; one that has keeps its workers and lingers."""
    known = await registered(env, deployment)
    if known is None:
        return
    if runs_left == 0:
        await env.hosts.stop(deployment, grace_seconds=STOP_SECONDS, epoch=epoch)
    state = DeploymentState.LINGERING if runs_left else DeploymentState.RETIRED
    await env.deployments.put(replace(known, state=state), epoch=epoch)


async def registered(env: Environment, deployment: DeploymentId) -> Deployment | None:
    everyone: Sequence[Deployment] = await env.deployments.all()
    return next((each for each in everyone if each.id == deployment), None)
