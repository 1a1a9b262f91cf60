"""New work goes where it should, by the intake's own row."""

from __future__ import annotations

from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.work import unmanned
from watership.releases.measurement import Finding, found


@check("intake.readable", good_for="1h")
async def readable(scene: Scene, *, next: float) -> Finding:
    """Next's share is `next`, new work is taken, and no run waits for a worker that is not there."""
    state = await scene.env.intake.read()
    share, wanted = state.weights.get(scene.plan.next.deployment, 0), round(100 * next)
    wrong = [] if share == wanted else [f"new work goes to next with {share} %, not {wanted} %"]
    if state.readonly:
        wrong.append("new work is refused: read-only is on")
    wrong += await unmanned(scene)
    return found(not wrong, "; ".join(wrong) or f"New work goes to next with {share} %.", next=share)
