"""The audit log is whole from its first entry to its last."""

from __future__ import annotations

from watership.releases.auditing.audit import Broken
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, passed


@check("audit.verified")
async def verified(scene: Scene) -> Finding:
    """The audit log is whole from its first entry to its last."""
    state = scene.env.audit.verify()
    if isinstance(state, Broken):
        return failed(f"The audit log is broken {state.where}: {state.reason}.")
    return passed(f"{state.count:,} entries follow one another.", entries=state.count, head=state.head)
