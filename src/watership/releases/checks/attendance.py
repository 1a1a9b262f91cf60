"""The team is there when each role says so in its own time: who answered a roll call yesterday may be ill today."""

from __future__ import annotations

from watership.releases.checks.kind import check
from watership.releases.checks.people import recorded
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, inconclusive, passed
from watership.releases.readiness.records import Ready

AGAIN = 2.0
"""Seconds before it is looked again who has answered: whoever did is not to wait, nor the release."""


@check("team.present", good_for="4h", fix="watership team ready --role ROLE --as NAME")
async def present(scene: Scene, *, since: str) -> Finding:
    """Each role of the team has answered the roll call for this build since a moment of the calendar (`T-4h`). Who has
    not is waited for until the check's time is over."""
    begin = scene.moment(since)
    end = scene.clock.monotonic() + scene.timeout - AGAIN
    while True:
        records = await recorded(scene)
        here = {
            each.role
            for each in records
            if isinstance(each, Ready) and each.build == scene.plan.next.build.digest and each.at >= begin
        }
        absent = [role.id for role in scene.plan.roles if role.id not in here]
        if not absent:
            return passed(f"{len(scene.plan.roles)} roles have answered since {since}.", roles=len(here))
        if scene.clock.monotonic() >= end:
            return inconclusive(f"Not yet here since {since}: {', '.join(absent)}.")
        await scene.clock.sleep(AGAIN)
