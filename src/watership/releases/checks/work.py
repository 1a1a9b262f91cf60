"""Accepted runs are counted: how many wait, and whether there is somebody to move them on."""

from __future__ import annotations

from watership.durable.states import RunState
from watership.fleet.stranded import stranded
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene, unfinished
from watership.releases.measurement import Finding, found

FOR_PEOPLE = (RunState.IN_DOUBT, RunState.STOPPED)


@check("queues.depth", good_for="1h")
async def depth(scene: Scene, *, below: int) -> Finding:
    """Fewer runs than `below` wait to be begun."""
    census = await scene.env.runs.census()
    waiting = sum(n for (_, state), n in census.items() if state in (RunState.READY, RunState.QUEUED))
    return found(
        waiting < below, f"{waiting:,} runs wait to be begun; {below:,} is the limit.", waiting=waiting
    )


@check("runs.accounted", good_for="1h")
async def accounted(scene: Scene) -> Finding:
    """Every run is done, or belongs to a deployment whose workers live; what waits for a person is told."""
    census = await scene.env.runs.census()
    wrong = await unmanned(scene)
    done = sum(n for (_, state), n in census.items() if not unfinished(state))
    open_ = sum(n for (_, state), n in census.items() if unfinished(state))
    people = sum(n for (_, state), n in census.items() if state in FOR_PEOPLE)
    words = f"{done:,} runs are done, {open_:,} are under way, {people:,} of them wait for a person."
    return found(not wrong, "; ".join(wrong) or words, done=done, open=open_, people=people)


async def unmanned(scene: Scene) -> list[str]:
    """The deployments that have runs and no worker, in words."""
    env = scene.env
    found = stranded(
        # The workers are heard of in the system's own time.
        await env.runs.census(),
        await env.runs.workers(),
        await env.deployments.all(),
        await env.intake.now(),
    )
    return [f"{each.runs:,} runs of {each.deployment} have no worker" for each in found]
