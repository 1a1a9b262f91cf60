"""Every approval is there, for this very plan, and still counts."""

from __future__ import annotations

from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, passed
from watership.releases.plan import fingerprint
from watership.releases.signoff import missing


async def complete(scene: Scene) -> Finding:
    lacking = missing(scene.plan, scene.release.signoffs, scene.now())
    if lacking:
        return failed("; ".join(f"{each.role}: {each.reason}" for each in lacking))
    people = ", ".join(f"{each.person} ({each.role})" for each in scene.release.signoffs)
    return passed(f"{people} signed {fingerprint(scene.plan)[:12]}.")
