"""RabbitMQ works when its nodes run as one cluster and take messages, and its queues are emptied by somebody."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.rabbitmq import DEPTH, matching
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, excerpt, found, inconclusive

HEALTH: Final = {"alarms": "an alarm is in effect", "virtual-hosts": "a virtual host is down"}
"""Health checks of the management API (/api/health/checks/…): 200 when good, 503 when not."""

APART: Final = 6.0
"""Seconds between two looks at a queue: RabbitMQ renews its statistics every five."""


class _Node(Struct):
    name: str
    running: bool = False
    partitions: list[str] = []
    mem_alarm: bool = False
    disk_free_alarm: bool = False


@check(
    "rabbitmq.operational",
    good_for="1h",
    fix="rabbitmq-diagnostics cluster_status; rabbitmq-diagnostics alarms",
)
async def operational(scene: Scene, *, of: str, nodes: int = 1) -> Finding:
    """Every node of the cluster runs, `nodes` at least, without a partition or an alarm (memory, disk: with one it
    takes no messages), and every virtual host is up."""
    there = shaped(of, await scene.json(of, "/api/nodes"), list[_Node])
    wrong = [f"{each.name} does not run" for each in there if not each.running]
    wrong += [f"{each.name} is parted from {', '.join(each.partitions)}" for each in there if each.partitions]
    if len(there) < nodes:
        wrong.append(f"there are {len(there)} nodes, {nodes} are wanted")
    for name, words in HEALTH.items():
        answer = await scene.get(of, f"/api/health/checks/{name}")
        if answer.status not in (200, 503):
            raise Unavailable(f"{of} answered {answer.status} to the question for {name}.")
        if answer.status == 503:
            wrong.append(f"{words}: {excerpt(answer.body)}")
    return judged(wrong, f"{len(there)} node(s) run as one, without an alarm.", nodes=len(there))


@check("rabbitmq.processing", good_for="1h", fix="Look at the workers of that queue, and at what they do.")
async def processing(
    scene: Scene, *, of: str, queues: str, below: int = DEPTH, apart: float = APART
) -> Finding:
    """Each queue that matches `queues` has a consumer and fewer messages than `below`; where some are ready to be
    taken, more were acknowledged `apart` that time, or none is ready any more: what only fills is not processed."""
    first = {each.name: each for each in await matching(scene, of, queues)}
    wrong = [f"{name} has no consumer" for name, each in first.items() if not each.consumers]
    wrong += [
        f"{each.messages:,} messages wait in {name}"
        for name, each in first.items()
        if (each.messages or 0) >= below
    ]
    if wrong:
        return judged(wrong, "")
    waiting = {name for name, each in first.items() if each.messages_ready != 0}
    if waiting:
        await scene.clock.sleep(apart)
        for each in await matching(scene, of, queues):
            if each.name not in waiting or each.messages_ready == 0:
                continue
            if each.messages_ready is None:
                return inconclusive(f"RabbitMQ has not counted {each.name} yet.")
            if each.acknowledged <= first[each.name].acknowledged:
                wrong.append(f"{each.messages_ready:,} messages wait in {each.name}, and none was taken")
    if wrong:
        return judged(wrong, "")
    return found(
        True, f"{len(first)} queue(s) are emptied by their consumers; messages wait in {len(waiting)}."
    )
