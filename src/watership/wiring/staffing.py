"""Whether somebody executes what is accepted: a deployment that takes new work needs a worker for each of its pools."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import timedelta

from watership.adapters.postgres.store import PostgresStore
from watership.config import Config
from watership.durable.ids import DeploymentId
from watership.durable.ports import HEARD_SECONDS
from watership.errors import WatershipError
from watership.fleet.finding import Finding
from watership.fleet.intake import effective

WHAT = "Workers"

Staff = Mapping[DeploymentId, Mapping[str, int]]
"""Of each deployment that takes new work: how many workers of each pool were heard of lately."""


async def examine_workers(config: Config) -> Finding:
    """Asks the database; which pools an application has, it cannot know."""
    try:
        return told(await staff_of(config))
    except WatershipError as error:
        return Finding(
            what=WHAT, state="unknown", detail=error.message, fix=error.fix or "watership db status"
        )


async def staff_of(config: Config) -> Staff:
    """Raises Unavailable when the database does not answer."""
    async with await PostgresStore.open(config.store.url, name="watership doctor") as store:
        workers, now = await store.workers(), await store.now()
        weights = effective(await store.read(), now)
    staff: dict[DeploymentId, dict[str, int]] = {each: {} for each, weight in weights.items() if weight}
    for worker in workers:
        if worker.deployment in staff and worker.seen_at > now - timedelta(seconds=HEARD_SECONDS):
            pools = staff[worker.deployment]
            pools[worker.pool] = pools.get(worker.pool, 0) + 1
    return staff


def told(staff: Staff) -> Finding:
    if not staff:
        return Finding(
            what=WHAT,
            state="warning",
            detail="no deployment takes new work yet",
            fix="Start one: watership serve --app FILE.py:NAME",
        )
    idle = [deployment for deployment, pools in staff.items() if not pools]
    if idle:
        return Finding(
            what=WHAT,
            state="warning",
            detail=f"none was heard of for {HEARD_SECONDS:g} s of {', '.join(idle)}: what is accepted waits",
            fix=shlex.join(["watership", "worker", "--app", "FILE.py:NAME", "--deployment", idle[0]]),
        )
    words = [
        f"{number} in pool {pool} of {deployment}"
        for deployment, pools in staff.items()
        for pool, number in sorted(pools.items())
    ]
    return Finding(what=WHAT, state="ok", detail=", ".join(words))
