"""Every approval is there, for this very plan, and still counts."""

from __future__ import annotations

from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, inconclusive, passed
from watership.releases.plan import fingerprint
from watership.releases.readiness.records import standing_signoffs
from watership.releases.readiness.signoff import missing


@check("signoffs.complete", fix="watership release sign --role ROLE")
async def complete(scene: Scene) -> Finding:
    """Every approval is given for this very plan, by the right people, and has not expired."""
    records = await scene.records.all(scene.plan.release) if scene.records is not None else ()
    given = standing_signoffs(scene.release.signoffs, records)
    lacking = missing(scene.plan, given, scene.now())
    if lacking:
        return inconclusive("; ".join(f"{each.role}: {each.reason}" for each in lacking))
    people = ", ".join(f"{each.person} ({each.role})" for each in given)
    return passed(f"{people} signed {fingerprint(scene.plan)[:12]}.")
