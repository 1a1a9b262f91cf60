"""Runs that next has begun, when it is taken back: they finish, are handed over, or wait for a person."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from watership.durable.ids import DeploymentId
from watership.errors import Unavailable
from watership.fleet.stranded import open_runs
from watership.releases.environment import Environment
from watership.releases.order import Release
from watership.releases.plan import Side, Size
from watership.releases.ports import HostSpec, InstanceState

LOOK_SECONDS = 0.5

RELEASE_SECONDS = 30.0
"""How long workers may take to give back what they hold: a step's result is waited for, and no longer than this."""


class Settled(Struct, frozen=True, kw_only=True):
    """How many runs went to live, how many are still next's, and what is to be said of them."""

    handed_over: int
    left: int
    words: str


async def settle(env: Environment, release: Release, *, epoch: int) -> Settled:
    """Do with them what the plan says. Raises Unavailable where that cannot be known; it may be done again."""
    nxt = release.plan.next
    if not open_runs(await env.runs.census(), nxt.deployment):
        return Settled(handed_over=0, left=0, words="")
    match release.plan.begun_runs:
        case "finish":
            return await _finished(env, release, handed_over=0, words="")
        case "hand_over":
            return await _handed_over(env, release, epoch=epoch)
        case "quarantine":
            await _without_workers(env, release, epoch=epoch)
            left = open_runs(await env.runs.census(), nxt.deployment)
            words = f"; nobody works on {left} runs of it until a person decides: watership intake stranded"
            return Settled(handed_over=0, left=left, words=words if left else "")


async def _handed_over(env: Environment, release: Release, *, epoch: int) -> Settled:
    """Workers give back what they hold; what fits goes to live, and for the rest they come back."""
    nxt, live = release.plan.next, release.plan.live
    await _without_workers(env, release, epoch=epoch)
    try:
        if env.handover is None:
            raise Unavailable("Nobody here can replay runs with live's agents.")
        handed = await env.handover.hand_over(nxt.deployment, live.deployment, live.build)
        count = sum(each.goes for each in handed)
        words = f"; {count} that it had begun went to live"
    except Unavailable as error:
        # What it moved before it fell silent has moved; the rest is as well off with next's workers as before.
        count, words = 0, f"; of those that it had begun none is known to have gone to live ({error})"
    if open_runs(await env.runs.census(), nxt.deployment):
        await env.hosts.ensure(spec(nxt, replace(release.plan.size, serve=0)), epoch=epoch)
    return await _finished(env, release, handed_over=count, words=words)


async def _finished(env: Environment, release: Release, *, handed_over: int, words: str) -> Settled:
    """Wait for those that are next's, for the release's time; what runs longer keeps its workers."""
    left = await lingered(env, release.plan.next.deployment, release.linger)
    kept = f"; {left} runs of it go on and keep its workers" if left else ""
    return Settled(handed_over=handed_over, left=left, words=words + kept)


async def _without_workers(env: Environment, release: Release, *, epoch: int) -> None:
    nxt = release.plan.next
    await env.hosts.ensure(spec(nxt, replace(release.plan.size, serve=0, workers=0)), epoch=epoch)
    end = env.clock.monotonic() + RELEASE_SECONDS
    while (working := await _working(env, nxt.deployment)) and env.clock.monotonic() < end:
        await env.clock.sleep(LOOK_SECONDS)
    if working:
        raise Unavailable(f"{', '.join(working)} did not end within {RELEASE_SECONDS:g} s.")


async def _working(env: Environment, deployment: DeploymentId) -> list[str]:
    return [
        each.name
        for each in await env.hosts.instances()
        if each.deployment == deployment and each.role == "worker" and each.state is not InstanceState.DEAD
    ]


async def lingered(env: Environment, deployment: DeploymentId, seconds: float) -> int:
    """Wait for the deployment's runs, `seconds` at most; how many are left."""
    end = env.clock.monotonic() + seconds
    while (left := open_runs(await env.runs.census(), deployment)) and env.clock.monotonic() < end:
        await env.clock.sleep(LOOK_SECONDS)
    return left


def spec(side: Side, size: Size) -> HostSpec:
    """The processes that a side of a release is to have."""
    return HostSpec(
        deployment=side.deployment,
        build=side.build,
        slot=side.slot,
        serve=size.serve,
        workers=size.workers,
        slots=size.slots,
    )
