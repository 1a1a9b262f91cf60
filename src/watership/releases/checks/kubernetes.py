"""What a Kubernetes cluster says of itself, by its own API."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Struct, field

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, found

T = TypeVar("T")

REGION: Final = "topology.kubernetes.io/region"

REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Condition(Struct):
    type: str
    status: str
    message: str = ""


class _NodeMeta(Struct):
    name: str
    labels: dict[str, str] = {}


class _NodeStatus(Struct):
    conditions: list[Condition] = []


class Node(Struct):
    metadata: _NodeMeta
    status: _NodeStatus = field(default_factory=_NodeStatus)

    @property
    def ready(self) -> bool:
        return any(each.type == "Ready" and each.status == "True" for each in self.status.conditions)


class _Nodes(Struct):
    items: list[Node]


@check(
    "kubernetes.allows", adapted=True, good_for="24h", fix="Bind the role to the account whose token is used."
)
async def allows(
    scene: Scene, *, of: str, verb: str, resource: str, namespace: str, group: str = ""
) -> Finding:
    """The cluster says that our token may `verb` `resource` of `group` in `namespace` (a SelfSubjectAccessReview)."""
    asked = {"namespace": namespace, "verb": verb, "group": group, "resource": resource}
    answer = await scene.ask(
        "POST",
        of,
        REVIEWS,
        body={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        },
    )
    if answer.status != 201:
        raise Unavailable(f"{of} answered {answer.status} when it was asked what we may do.")
    status = _shaped(of, msgspec.json.decode(answer.body), _Review).status
    words = f"We may {'' if status.allowed else 'not '}{verb} {resource} in {namespace}"
    return found(status.allowed, f"{words}: {status.reason}" if status.reason else f"{words}.")


class _Allowed(Struct):
    allowed: bool
    reason: str = ""


class _Review(Struct):
    status: _Allowed


@check("kubernetes.autoscaler", adapted=True, good_for="24h")
async def autoscaler(scene: Scene, *, of: str, namespace: str, name: str, at_least: int = 2) -> Finding:
    """The HorizontalPodAutoscaler keeps `at_least` replicas, may have more, scales by a metric, and is able and active
    by its own conditions."""
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{name}"
    there = _shaped(of, await scene.json(of, path), _Autoscaler)
    spec, wrong = there.spec, []
    if spec.minReplicas < at_least:
        wrong.append(f"it goes down to {spec.minReplicas} replicas, {at_least} at least are wanted")
    if spec.maxReplicas <= spec.minReplicas:
        wrong.append(f"it cannot grow beyond {spec.maxReplicas}")
    if not spec.metrics:
        wrong.append("it scales by no metric")
    states = {each.type: each for each in there.status.conditions}
    wrong += [
        f"{kind} is not true: {states[kind].message if kind in states else 'not told'}"
        for kind in ("AbleToScale", "ScalingActive")
        if kind not in states or states[kind].status != "True"
    ]
    words = f"{namespace}/{name} scales from {spec.minReplicas} to {spec.maxReplicas} by {len(spec.metrics)} metric(s)."
    return found(not wrong, "; ".join(wrong) or words)


class _Scale(Struct):
    maxReplicas: int  # noqa: N815 - as Kubernetes spells it
    minReplicas: int = 1  # noqa: N815
    metrics: list[dict[str, object]] = []


class _ScaleStatus(Struct):
    conditions: list[Condition] = []


class _Autoscaler(Struct):
    spec: _Scale
    status: _ScaleStatus


@check("kubernetes.ready", adapted=True, good_for="4h")
async def ready(scene: Scene, *, of: str, at_least: int = 1) -> Finding:
    """At least `at_least` nodes of the cluster are ready, and none is not."""
    nodes = await _nodes(scene, of)
    unready = [each.metadata.name for each in nodes if not each.ready]
    good = len(nodes) - len(unready)
    words = f"{good} of {len(nodes)} nodes are ready, {at_least} at least are wanted"
    return found(
        good >= at_least and not unready, f"{words}; not: {', '.join(unready)}" if unready else f"{words}."
    )


@check("kubernetes.apart", adapted=True, good_for="24h")
async def apart(scene: Scene, *, clusters: str) -> Finding:
    """No two of the clusters have a node in the same region, by the labels of their nodes."""
    names = listed(clusters)
    if len(names) < 2:
        raise BadInput("Two clusters at least are to be apart.")
    homes: dict[str, set[str]] = {}
    for name in names:
        for node in await _nodes(scene, name):
            region = node.metadata.labels.get(REGION)
            if region is None:
                raise Unavailable(f"{node.metadata.name} of {name} does not say in which region it is.")
            homes.setdefault(region, set()).add(name)
    wrong = [
        f"{' and '.join(sorted(there))} are both in {region}"
        for region, there in homes.items()
        if len(there) > 1
    ]
    if any(not any(name in there for there in homes.values()) for name in names):
        wrong.append("one of them has no node")
    return found(not wrong, "; ".join(wrong) or f"{clusters}: in {', '.join(sorted(homes))}.")


async def _nodes(scene: Scene, of: str) -> list[Node]:
    return _shaped(of, await scene.json(of, "/api/v1/nodes"), _Nodes).items


def _shaped(of: str, answer: object, shape: type[T]) -> T:
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise Unavailable(f"{of} answered what is not as Kubernetes says: {error}.") from error
