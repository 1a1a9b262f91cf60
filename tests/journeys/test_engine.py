"""The engine keeps its promises under faults: real processes, real servers, an oracle, and a checker of histories."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom

import pytest

from tests.journeys.engine.campaign import Campaign, Plan
from tests.journeys.engine.scene import Scene, embedded
from tests.journeys.engine.summary import Summary, told

DAY = 1
"""By day the faults are the same for everybody."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a short path, since there will be sockets in it. A failed campaign's stays."""
    place = Path(tempfile.mkdtemp(prefix="watership-campaign-"))
    yield place


async def hold(folder: Path, plan: Plan, scene: Callable[[ExitStack, Path, Plan], Scene]) -> Summary:
    def tell(words: str) -> None:
        sys.stderr.write(f"{words}\n")

    with ExitStack() as stack:
        stage, servers, ports = scene(stack, folder, plan)
        campaign = Campaign(plan=plan, stage=stage, servers=servers, ports=ports, tell=tell)
        return await campaign.run()


async def test_on_the_embedded_default_processes_may_die_and_sleep(folder: Path, nightly: bool) -> None:
    seed = SystemRandom().randrange(10**9) if nightly else DAY
    plan = Plan(seed=seed, runs=5_000 if nightly else 400, rate=40.0, poison=1, wide=200)
    summary = await hold(folder, plan, embedded)
    assert summary.broken == [], told(summary)
    assert summary.accepted >= plan.runs
