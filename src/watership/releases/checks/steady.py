"""A system is steady while the same processes go on: one that dies and is started again looks well at any moment."""

from __future__ import annotations

from watership.releases.checks.answers import unwell
from watership.releases.checks.builds import settled, strangers
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding
from watership.releases.plan import Side


@check("build.steady", good_for="1h", fix="Look at the log of the process that was started again.")
async def steady(scene: Scene, *, of: str, during: float) -> Finding:
    """`during` that time every process of the side stays the one that it was, ready and well, and none is started
    again."""
    side = scene.side(of)
    before = await _processes(scene, side)
    wrong = strangers(await settled(scene, side), side)
    await scene.clock.sleep(during)
    after = await _processes(scene, side)
    wrong += [
        f"{name} was started again, or is gone" for name in sorted(before) if after.get(name) != before[name]
    ]
    if after:
        wrong += await unwell(scene, side)
    return judged(
        wrong, f"{len(after)} processes went on for {during:g} s, ready and well.", processes=len(after)
    )


async def _processes(scene: Scene, side: Side) -> dict[str, tuple[int | None, int]]:
    """Each process by its name, and what changes when it is another one."""
    return {each.name: (each.pid, each.restarts) for each in await scene.instances(side)}
