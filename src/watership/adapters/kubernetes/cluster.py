"""A cluster as its API tells of it and is told: each object is changed only as it was last read."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, TypeVar

import httpx2
import msgspec
from lightkube import AsyncClient, KubeConfig, SingleConfig
from lightkube.config import client_adapter
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

from watership.adapters.kubernetes.manifest import MANAGER
from watership.errors import BadInput, Unavailable

T = TypeVar("T")

CALL_SECONDS: Final = 10.0
"""An API server answers within tenths of a second."""

CONFLICT: Final = 409
"""Somebody changed it since it was read, or it is there already."""

GONE: Final = 404

CHUNK: Final = 200
"""Pods that are asked for at a time."""


class Changed(Exception):
    """An object is another one than it was when it was read."""


class Cluster:
    """One namespace of a cluster, as long as it is open. Raises Unavailable for what the API refuses, in its words."""

    def __init__(self, client: AsyncClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def deployment(self, name: str) -> Deployment | None:
        with _translated():
            return await _found(self._client.get(Deployment, name))

    async def deployments(self, labels: Mapping[str, str]) -> Sequence[Deployment]:
        with _translated():
            return [
                each async for each in self._client.list(Deployment, labels=dict(labels), chunk_size=CHUNK)
            ]

    async def pods(self, labels: Mapping[str, str]) -> Sequence[Pod]:
        with _translated():
            return [each async for each in self._client.list(Pod, labels=dict(labels), chunk_size=CHUNK)]

    async def create(self, manifest: Mapping[str, object]) -> None:
        """Raises Changed where there is one of that name."""
        with _translated():
            await self._client.create(msgspec.convert(manifest, Deployment))

    async def apply(self, manifest: Mapping[str, object], *, over: Deployment) -> None:
        """Set the manifest's fields, also where somebody else set them. Raises Changed for another one than `over`."""
        wanted = msgspec.convert(manifest, Deployment)
        assert wanted.metadata is not None
        assert over.metadata is not None
        wanted.metadata.uid = over.metadata.uid
        wanted.metadata.resourceVersion = over.metadata.resourceVersion
        with _translated():
            await self._client.apply(wanted, force=True)

    async def empty(self, there: Deployment, annotations: Mapping[str, str]) -> None:
        """Let it run nobody. Raises Changed for another one than `there`."""
        assert there.metadata is not None
        assert there.metadata.name is not None
        patch = {
            "metadata": {"resourceVersion": there.metadata.resourceVersion, "annotations": dict(annotations)},
            "spec": {"replicas": 0},
        }
        with _translated():
            await self._client.patch(Deployment, there.metadata.name, patch, patch_type=PatchType.MERGE)

    async def delete(self, there: Deployment) -> None:
        """Delete that very object. Raises Changed for another one."""
        assert there.metadata is not None
        path = f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{there.metadata.name}"
        conditions = {"uid": there.metadata.uid, "resourceVersion": there.metadata.resourceVersion}
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": conditions,
        }
        # lightkube's own delete cannot say on which conditions.
        parameters = client_adapter.ConnectionParams(timeout=httpx2.Timeout(CALL_SECONDS), trust_env=False)
        with _translated():
            async with client_adapter.AsyncClient(self._client.config, parameters) as client:
                answer = await client.request("DELETE", path, json=options)
            if answer.status_code == CONFLICT:
                raise Changed
            if answer.status_code != GONE:
                answer.raise_for_status()

    async def kill(self, pod: Pod) -> None:
        """End a pod at once."""
        assert pod.metadata is not None
        assert pod.metadata.name is not None
        with _translated():
            await _found(self._client.delete(Pod, pod.metadata.name, grace_period=0))

    async def note(self, name: str) -> ConfigMap | None:
        with _translated():
            return await _found(self._client.get(ConfigMap, name))

    async def put_note(self, name: str, data: Mapping[str, str], *, over: ConfigMap | None) -> None:
        """Raises Changed for another one than `over`, and where there is one already though there was none."""
        version = over.metadata.resourceVersion if over is not None and over.metadata is not None else None
        meta = ObjectMeta(
            name=name, resourceVersion=version, labels={"app.kubernetes.io/managed-by": MANAGER}
        )
        wanted = ConfigMap(metadata=meta, data=dict(data))
        with _translated():
            await (self._client.create(wanted) if over is None else self._client.replace(wanted))


@asynccontextmanager
async def opened(configuration: SingleConfig, namespace: str) -> AsyncIterator[Cluster]:
    """Connections to a cluster, for a few calls: what trusts its certificate takes longer to make than one of them."""
    with _translated():
        # trust_env: a proxy of the operator's shell must not answer for the cluster.
        client = AsyncClient(
            configuration,
            namespace,
            timeout=httpx2.Timeout(CALL_SECONDS),
            field_manager=MANAGER,
            trust_env=False,
        )
    async with client:
        yield Cluster(client, namespace)


def configuration(file: str, context: str) -> SingleConfig:
    """Where the cluster is and who we are there: by a kubeconfig file, or, where `file` is empty, as a pod of it.

    Raises BadInput for what cannot be read.
    """
    try:
        found = KubeConfig.from_file(Path(file)) if file else KubeConfig.from_service_account()
        single = found.get(context or None)
    except (ConfigError, KeyError, OSError, ValueError) as error:
        raise BadInput(
            f"How to reach the cluster cannot be read: {error}.",
            fix="Set hosts.kubeconfig and hosts.context.",
        ) from error
    if single is None or single.user is None:
        raise BadInput(f"{file} names no user of the cluster.", fix="Set hosts.context to one that does.")
    return single


async def _found(asking: Awaitable[T]) -> T | None:
    """What the API gives; None for what is not there."""
    try:
        return await asking
    except ApiError as error:
        if error.response.status_code == GONE:
            return None
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        if error.status.code == CONFLICT:
            raise Changed from error
        raise Unavailable(f"The cluster's API refused it: {error.status.message}.") from error
    except (httpx2.HTTPError, ssl.SSLError) as error:
        raise Unavailable(
            f"The cluster's API does not answer: {str(error) or type(error).__name__}."
        ) from error
    except msgspec.DecodeError as error:
        raise Unavailable(f"The cluster's API answered what cannot be read: {error}.") from error
