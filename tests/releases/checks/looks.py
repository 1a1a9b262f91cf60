"""One check at a time, in a small world: what it finds, and in what words."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.checklist.world import World
from watership.releases.measurement import Measurement
from watership.releases.readiness.checklist import Point
from watership.releases.readiness.rounds import measured
from watership.releases.verdict import Verdict


async def looked(world: World, check: str, **parameters: Any) -> tuple[Verdict, str]:
    """What the check finds: its verdict, and its evidence."""
    got = await measured(world.scene(), "it", Point(id="it", text="it", check=check, parameters=parameters))
    return got.verdict, worded(got)


def look(world: World, check: str, **parameters: Any) -> tuple[Verdict, str]:
    """The same, for a test that is no coroutine."""
    return asyncio.run(looked(world, check, **parameters))


def worded(got: Measurement) -> str:
    """Its evidence, behind the name of what was raised: people do not read that, and tests do."""
    raised = got.facts.get("raised")
    return f"{raised}: {got.evidence}" if raised else got.evidence
