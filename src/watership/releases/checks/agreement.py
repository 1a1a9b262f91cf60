"""Every approval is there, for this very plan, and still counts."""

from __future__ import annotations

from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, inconclusive, passed
from watership.releases.plan import fingerprint
from watership.releases.readiness.records import lacking, standing_signoffs


@check("signoffs.complete", fix="watership release sign --role ROLE")
async def complete(scene: Scene) -> Finding:
    """Every approval is given for this very plan, by the right people, and has not expired."""
    records = await scene.records.all(scene.plan.release) if scene.records is not None else ()
    missing = lacking(scene.plan, scene.release.signoffs, records, scene.now())
    if missing:
        words = "; ".join(f"{each.role}: {each.reason}" for each in missing)
        return failed(words) if any(each.refused for each in missing) else inconclusive(words)
    given = standing_signoffs(scene.release.signoffs, records)
    people = ", ".join(f"{each.person} ({each.role})" for each in given)
    return passed(f"{people} signed {fingerprint(scene.plan)[:12]}.")
