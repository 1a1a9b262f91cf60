"""The old deployment stands by after the cutover: out of the traffic, and well enough to be gone back to."""

from __future__ import annotations

from watership.releases.checks.answers import unwell
from watership.releases.checks.builds import settled, strangers
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding


@check("standby.ready", good_for="1h", fix="watership health live; without it there is no way back.")
async def ready(scene: Scene) -> Finding:
    """The old deployment gets nothing of either plane, and every process of it is ready, of the old build, and answers
    that it is well."""
    side = scene.plan.live
    router, intake = await scene.env.router.read(), await scene.env.intake.read()
    shares = {
        "the router": router.weights.get(side.slot, 0),
        "the intake": intake.weights.get(side.deployment, 0),
    }
    wrong = [f"{plane} still gives it {share} %" for plane, share in shares.items() if share]
    there = await settled(scene, side)
    wrong += strangers(there, side)
    if there:
        wrong += await unwell(scene, side)
    return judged(
        wrong,
        f"{len(there)} processes of {side.build.version} stand by in {side.slot.value}, without traffic.",
        processes=len(there),
    )
