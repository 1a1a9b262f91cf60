"""Hosts by Kubernetes: what a cluster is told, and what its pods say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

import msgspec
from lightkube import SingleConfig
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from watership.adapters.http.report import Report, reported
from watership.adapters.kubernetes.cluster import Changed, Cluster, opened
from watership.adapters.kubernetes.fence import TRIES, Fence
from watership.adapters.kubernetes.manifest import (
    DEPLOYMENT,
    DIGEST,
    EPOCH,
    MANAGER,
    STOP_SECONDS,
    Settings,
    labels,
    manifest,
    name_of,
)
from watership.durable.ids import DeploymentId
from watership.errors import Conflict, Fenced, Unavailable
from watership.fleet.build import Build
from watership.releases.ports import HostSpec, Instance, InstanceState, Role

ROLES: Final[tuple[Role, ...]] = ("serve", "worker")

LOOK_SECONDS: Final = 0.25
"""Between two looks at pods that are to end."""

OVER: Final = frozenset({"Succeeded", "Failed"})
"""Phases of pods that have ended: records, which the cluster keeps for a while beside what replaced them."""


class KubernetesHosts:
    """Hosts. `image_of` says which image carries a build."""

    def __init__(self, settings: Settings, reach: SingleConfig, image_of: Callable[[Build], str]) -> None:
        self._settings = settings
        self._reach = reach
        self._image_of = image_of
        self._fence = Fence(settings.environment)

    def manifests(self, spec: HostSpec, epoch: int) -> list[dict[str, object]]:
        """What `ensure` has the cluster run."""
        image = self._image_of(spec.build)
        return [manifest(spec, role, image, epoch, self._settings) for role in ROLES]

    async def ensure(self, spec: HostSpec, *, epoch: int) -> None:
        wanted = self.manifests(spec, epoch)
        async with self._opened() as cluster:
            await self._fence.claim(cluster, epoch)
            for each in wanted:
                await self._put(cluster, spec, each, epoch)

    async def stop(self, deployment: DeploymentId, *, grace_seconds: float, epoch: int) -> None:
        names = [name_of(self._settings.environment, deployment, role) for role in ROLES]
        async with self._opened() as cluster:
            await self._fence.claim(cluster, epoch)
            for name in names:
                await _change(cluster, name, epoch, partial(_empty, cluster, epoch))
            await _end_pods(cluster, labels(self._settings.environment, deployment), grace_seconds)
            for name in names:
                await _change(cluster, name, epoch, partial(_delete, cluster))

    async def instances(self) -> Sequence[Instance]:
        async with self._opened() as cluster:
            pods = await cluster.pods(labels(self._settings.environment))
        told = await asyncio.gather(*(self._instance(pod) for pod in pods if _phase(pod) not in OVER))
        return sorted(told, key=lambda each: (each.deployment, each.role, each.name))

    def _opened(self) -> AbstractAsyncContextManager[Cluster]:
        return opened(self._reach, self._settings.namespace)

    async def _put(self, cluster: Cluster, spec: HostSpec, wanted: dict[str, object], epoch: int) -> None:
        """Set one Deployment, as it is when nobody with a higher epoch has set it since it was read."""
        name = _name(wanted)

        async def put(there: Deployment | None) -> None:
            if there is None:
                await cluster.create(wanted)
                await self._keep(cluster, name, epoch)
                return
            if (digest := _annotation(there, DIGEST)) != spec.build.digest:
                raise Conflict(f"Deployment {spec.deployment} has build {digest}; it never changes.")
            await cluster.apply(wanted, over=there)

        await _change(cluster, name, epoch, put)

    async def _keep(self, cluster: Cluster, name: str, epoch: int) -> None:
        """What was made stays only if nobody with a higher epoch acted meanwhile: he had nothing to refuse it by."""
        try:
            await self._fence.require(cluster, epoch)
        except Fenced:
            there = await cluster.deployment(name)
            if there is not None and _annotation(there, EPOCH) == str(epoch):
                await cluster.delete(there)
            raise

    async def _instance(self, pod: Pod) -> Instance:
        role = _role(pod)
        where = _where(pod, self._settings.port if role == "serve" else self._settings.probes_port)
        report = await reported(where)
        return Instance(
            name=_pod_name(pod),
            deployment=DeploymentId(_annotation(pod, DEPLOYMENT)),
            role=role,
            state=_state(pod, report),
            # A process of another machine: its number says nothing here.
            pid=None,
            address=where if role == "serve" else None,
            digest=report.digest,
            version=report.version,
            restarts=_restarts(pod),
        )


async def _change(
    cluster: Cluster, name: str, epoch: int, change: Callable[[Deployment | None], Awaitable[None]]
) -> None:
    """Read a Deployment and change that very one; again when somebody else was quicker."""
    for _ in range(TRIES):
        there = await cluster.deployment(name)
        if there is not None:
            _require(there, epoch)
        try:
            await change(there)
        except Changed:
            continue
        return
    raise Unavailable(f"The Deployment {name} changed {TRIES} times while it was set.")


async def _empty(cluster: Cluster, epoch: int, there: Deployment | None) -> None:
    if there is not None:
        await cluster.empty(there, {EPOCH: str(epoch)})


async def _delete(cluster: Cluster, there: Deployment | None) -> None:
    if there is not None:
        await cluster.delete(there)


async def _end_pods(cluster: Cluster, mine: Mapping[str, str], grace_seconds: float) -> None:
    """Wait for a deployment's pods, and kill what is left after the grace."""
    loop = asyncio.get_running_loop()
    deadline, killed = loop.time() + grace_seconds, False
    while pods := await cluster.pods(mine):
        if loop.time() >= deadline:
            if killed:
                names = ", ".join(_pod_name(pod) for pod in pods)
                raise Unavailable(f"{names} is still there after it was killed.")
            for pod in pods:
                await cluster.kill(pod)
            deadline, killed = loop.time() + STOP_SECONDS, True
        await asyncio.sleep(LOOK_SECONDS)


def _require(there: Deployment, epoch: int) -> None:
    held = _annotation(there, EPOCH)
    if not held.isdigit():
        raise Unavailable(f"The Deployment {_annotation(there, DEPLOYMENT)} holds no epoch.")
    if epoch < int(held):
        raise Fenced(f"Deployment {_annotation(there, DEPLOYMENT)}", held=epoch, current=int(held))


def _state(pod: Pod, report: Report) -> InstanceState:
    assert pod.metadata is not None
    if pod.metadata.deletionTimestamp is not None:
        return InstanceState.DRAINING
    return report.state


def _phase(pod: Pod) -> str:
    return (pod.status.phase if pod.status is not None else None) or "Unknown"


def _where(pod: Pod, port: int) -> str | None:
    """Where the pod answers; None while it has no address of its own."""
    if pod.status is None or not pod.status.podIP:
        return None
    return f"[{pod.status.podIP}]:{port}" if ":" in pod.status.podIP else f"{pod.status.podIP}:{port}"


def _restarts(pod: Pod) -> int:
    told = pod.status.containerStatuses if pod.status is not None else None
    return sum(each.restartCount for each in told or ())


def _role(pod: Pod) -> Role:
    assert pod.metadata is not None
    role: Role = msgspec.convert((pod.metadata.labels or {}).get(f"{MANAGER}/role"), Role)
    return role


def _pod_name(pod: Pod) -> str:
    assert pod.metadata is not None
    return pod.metadata.name or ""


def _annotation(there: Deployment | Pod, name: str) -> str:
    assert there.metadata is not None
    return str((there.metadata.annotations or {}).get(name, ""))


def _name(wanted: dict[str, object]) -> str:
    metadata = wanted["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["name"])
