"""The engine keeps its promises under faults: real processes, real servers, an oracle, and a checker of histories."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom

import pytest

from tests.journeys.engine.campaign import Campaign, Plan
from tests.journeys.engine.scene import Scene, embedded, with_servers
from tests.journeys.engine.summary import Summary, told

pytestmark = pytest.mark.usefixtures("long")

DAY = 1
"""By day the faults are the same for everybody."""


async def hold(plan: Plan, scene: Callable[[ExitStack, Path, Plan], Scene]) -> Summary:
    """The campaign, in a folder with a short path, since there will be sockets in it. A failed one's stays."""

    def tell(words: str) -> None:
        sys.stderr.write(f"{words}\n")

    folder = Path(tempfile.mkdtemp(prefix="watership-campaign-"))
    folder.chmod(0o755)  # PostgreSQL's user has to get through
    with ExitStack() as stack:
        stage, servers, ports = scene(stack, folder, plan)
        campaign = Campaign(plan=plan, stage=stage, servers=servers, ports=ports, tell=tell)
        summary = await campaign.run()
    if not summary.broken:
        shutil.rmtree(folder)
    return summary


async def test_on_the_embedded_default_processes_may_die_and_sleep(nightly: bool) -> None:
    seed = SystemRandom().randrange(10**9) if nightly else DAY
    plan = Plan(seed=seed, runs=5_000 if nightly else 400, rate=40.0, poison=1, wide=200)
    summary = await hold(plan, embedded)
    assert summary.broken == [], told(summary)
    assert summary.accepted >= plan.runs


async def test_on_postgres_rabbitmq_and_redis_everything_may_fail(nightly: bool) -> None:
    seed = SystemRandom().randrange(10**9) if nightly else DAY
    plan = Plan(seed=seed, runs=10_000 if nightly else 400, rate=25.0)
    summary = await hold(plan, with_servers)
    assert summary.broken == [], told(summary)
    assert summary.accepted >= plan.runs
