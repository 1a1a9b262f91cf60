"""What is planned and what runs are the same bytes, by the word of every single process."""

from __future__ import annotations

from collections.abc import Sequence

from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, passed
from watership.releases.plan import Side
from watership.releases.ports import Instance, InstanceState
from watership.releases.snapshots import quarantined


@check("build.digest")
async def planned(scene: Scene) -> Finding:
    """Live runs the planned build, next differs from it and is not quarantined."""
    live, nxt = scene.plan.live.build, scene.plan.next.build
    if live.digest == nxt.digest:
        return failed(f"Live and next are the same build, {nxt.digest}.")
    waiver = scene.release.waived_by
    if nxt.digest in await quarantined(scene.env.snapshots) and waiver is None:
        return failed(f"{nxt.digest} was rolled back before and is quarantined.")
    wrong = strangers(await settled(scene, scene.plan.live), scene.plan.live)
    if wrong:
        return failed("; ".join(wrong))
    waived = f" (quarantine waived by {waiver})" if waiver else ""
    return passed(f"Live reports {live.digest}; next is to be {nxt.digest}{waived}.")


@check("build.running", good_for="1h")
async def running(scene: Scene, *, of: str) -> Finding:
    """Every process of the side is ready and reports the planned digest and version, and none is missing."""
    side, size = scene.side(of), scene.release.plan.size
    instances = await settled(scene, side)
    wrong = strangers(instances, side)
    for role, wanted in (("serve", size.serve), ("worker", size.workers)):
        there = sum(each.role == role for each in instances)
        if there < wanted:
            wrong.append(f"{there} of {wanted} {role} processes are there")
    words = "; ".join(wrong) or f"{len(instances)} processes report {side.build.digest}."
    return found(not wrong, words, processes=len(instances))


async def settled(scene: Scene, side: Side) -> Sequence[Instance]:
    """The side's processes, once none of them is being started again; as they are after half of the timeout."""

    async def ready() -> bool:
        return all(each.state is InstanceState.READY for each in await scene.instances(side))

    # One that died a moment ago is replaced within seconds; half of the timeout is left for the check itself.
    await scene.until(ready, scene.timeout / 2)
    return await scene.instances(side)


def strangers(instances: Sequence[Instance], side: Side) -> list[str]:
    """What is wrong with the processes of a side, each by its name."""
    if not instances:
        return [f"no process of {side.deployment} runs"]
    return [words for each in instances if (words := _wrong(each, side)) is not None]


def _wrong(instance: Instance, side: Side) -> str | None:
    if instance.state is not InstanceState.READY:
        return f"{instance.name} is {instance.state.value}"
    if instance.digest != side.build.digest:
        return f"{instance.name} reports the digest {instance.digest}, not {side.build.digest}"
    if instance.version != side.build.version:
        return f"{instance.name} reports version {instance.version}, not {side.build.version}"
    return None
