"""The plan itself is looked at: what the release will do, as it is signed."""

from __future__ import annotations

from watership.releases.book.quantity import spoken
from watership.releases.book.runbook import Drain, Shift
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found


@check("plan.drains", fix="Set the length of the drain in the runbook, and plan again.")
async def drains(scene: Scene, *, exactly: float) -> Finding:
    """The release drains live's requests, for `exactly` that long at most, after the last shift of traffic."""
    does = [item.does for item in scene.plan.items]
    last = max((number for number, each in enumerate(does) if isinstance(each, Shift)), default=len(does))
    after = [each for each in does[last:] if isinstance(each, Drain)]
    if not after:
        return failed("The plan does not drain live's requests after the last shift.")
    lengths = {each.length for each in after}
    words = f"The plan drains for {', '.join(map(spoken, sorted(lengths)))}; {spoken(exactly)} is wanted."
    return found(lengths == {exactly}, words)
