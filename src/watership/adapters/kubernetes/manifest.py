"""A manifest is what a cluster is to run of one role of a deployment: data that says the same each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from watership.adapters.ssh.command import slug
from watership.errors import BadInput
from watership.releases.ports import HostSpec, Role

MANAGER: Final = "watership"
"""In whose name fields are set; also what our labels begin with."""

EPOCH: Final = f"{MANAGER}/epoch"
DEPLOYMENT: Final = f"{MANAGER}/deployment"
DIGEST: Final = f"{MANAGER}/digest"

PORT: Final = 3000
PROBES_PORT: Final = 9100
"""In a pod each instance is alone, so that its ports are always the same."""

MOST: Final = 1_000
"""Instances of one role of a deployment: what one release looks at, each by itself, every quarter of a second."""

STOP_SECONDS: Final = 60
"""What a pod gets to end in when the cluster moves it: it drains for 30 s, and hands its runs over."""

START_SECONDS: Final = 120
"""Until a pod that has not started is killed. The release gives up earlier or later by its own time."""

NAME_LETTERS: Final = 63
"""Of a name that is a host's too."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What all manifests of an environment have in common. `variables`: the name of a Secret; `source`: where the
    build's folder is in its image."""

    environment: str
    namespace: str = "default"
    variables: str = ""
    source: str = "/app"
    port: int = PORT
    probes_port: int = PROBES_PORT


def name_of(environment: str, deployment: str, role: Role) -> str:
    """The Deployment's name. Raises BadInput for one that is too long to be a host's."""
    name = f"{MANAGER}-{slug(environment)}-{slug(deployment)}-{role}"
    if len(name) > NAME_LETTERS:
        raise BadInput(
            f"{name} has more than {NAME_LETTERS} letters.", fix="Give the environment a shorter name."
        )
    return name


def labels(environment: str, deployment: str = "", role: str = "") -> dict[str, str]:
    """What an environment's, a deployment's, or a role's objects are found by."""
    found = {"environment": environment, "deployment": deployment, "role": role}
    return {f"{MANAGER}/{name}": slug(value) for name, value in found.items() if value}


def manifest(spec: HostSpec, role: Role, image: str, epoch: int, settings: Settings) -> dict[str, object]:
    """The Deployment of one role. Raises BadInput for numbers that are none, and for an image without its digest."""
    if not (0 <= spec.serve <= MOST and 0 <= spec.workers <= MOST):
        raise BadInput(f"Between 0 and {MOST} processes of a role can run here.")
    if "@sha256:" not in image:
        raise BadInput(
            f"The image {image!r} is not named by its digest.",
            fix="Say NAME@sha256:…, as the registry told it.",
        )
    mine = labels(settings.environment, spec.deployment, role)
    # Not of the pods' template: a controller that comes after another one would start them all anew.
    told = {DEPLOYMENT: str(spec.deployment), DIGEST: spec.build.digest}
    everywhere = {"app.kubernetes.io/managed-by": MANAGER, f"{MANAGER}/slot": spec.slot.value, **mine}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name_of(settings.environment, spec.deployment, role),
            "namespace": settings.namespace,
            "labels": everywhere,
            "annotations": {EPOCH: str(epoch), **told},
        },
        "spec": {
            "replicas": spec.serve if role == "serve" else spec.workers,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": mine},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": everywhere, "annotations": told},
                "spec": _pod(spec, role, image, settings),
            },
        },
    }


def _pod(spec: HostSpec, role: Role, image: str, settings: Settings) -> dict[str, object]:
    port = settings.port if role == "serve" else settings.probes_port
    words = [
        *("python", "-m", "watership.wiring.instance", role),
        *("--source", settings.source, "--deployment", spec.deployment, "--slot", spec.slot.value),
        *("--slots", str(spec.slots), "--listen", f"0.0.0.0:{port}"),
    ]
    return {
        "terminationGracePeriodSeconds": STOP_SECONDS,
        # It has no business with the cluster's API.
        "automountServiceAccountToken": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "instance",
                "image": image,
                # The cluster puts variables in place of $(NAME).
                "command": [word.replace("$(", "$$(") for word in words],
                "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
                **({"envFrom": [{"secretRef": {"name": settings.variables}}]} if settings.variables else {}),
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "startupProbe": _probe("/startupz", period=2, failures=START_SECONDS // 2),
                "livenessProbe": _probe("/livez", period=10, failures=3),
                "readinessProbe": _probe("/readyz", period=2, failures=2),
            }
        ],
    }


def _probe(path: str, *, period: int, failures: int) -> Mapping[str, object]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
