"""Accepted runs are counted: how many wait, and whether each has somebody to move it on."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from watership.durable.states import RunState
from watership.releases.checks.scene import Scene, unfinished
from watership.releases.measurement import Finding, found

HEARD_WITHIN = timedelta(seconds=60)
"""A worker that renewed nothing for four leases is not there."""

FOR_WORKERS = (RunState.READY, RunState.RUNNING, RunState.WAITING)
FOR_PEOPLE = (RunState.IN_DOUBT, RunState.STOPPED)


async def depth(scene: Scene) -> Finding:
    """Fewer runs than `below` wait to be begun."""
    census = await scene.env.runs.census()
    waiting = sum(n for (_, state), n in census.items() if state in (RunState.READY, RunState.QUEUED))
    below = round(scene.number("below"))
    return found(
        waiting < below, f"{waiting:,} runs wait to be begun; {below:,} is the limit.", waiting=waiting
    )


async def accounted(scene: Scene) -> Finding:
    """Every run is done, or has an owner and a next wake-up; what waits for a person is told, not hidden."""
    census = await scene.env.runs.census()
    wrong = await stranded(scene)
    done = sum(n for (_, state), n in census.items() if not unfinished(state))
    open_ = sum(n for (_, state), n in census.items() if unfinished(state))
    people = sum(n for (_, state), n in census.items() if state in FOR_PEOPLE)
    words = f"{done:,} runs are done, {open_:,} are under way, {people:,} of them wait for a person."
    return found(not wrong, "; ".join(wrong) or words, done=done, open=open_, people=people)


async def stranded(scene: Scene) -> list[str]:
    """Deployments that have runs and no worker."""
    now = scene.now()
    manned = {each.deployment for each in await scene.env.runs.workers() if now - each.seen_at < HEARD_WITHIN}
    waiting: Counter[str] = Counter()
    for (deployment, state), number in (await scene.env.runs.census()).items():
        if state in FOR_WORKERS and deployment not in manned:
            waiting[deployment] += number
    return [f"{n:,} runs of {name} have no worker" for name, n in sorted(waiting.items()) if n]
