"""A project is what Compose runs of one deployment on one machine: a file that says the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import yaml

from watership.adapters.ssh.command import slug
from watership.adapters.ssh.posts import Post, port
from watership.errors import BadInput
from watership.releases.ports import HostSpec

LABEL: Final = "watership"
"""What our labels begin with."""

SERVE_PORT: Final = 3000
PROBES_PORT: Final = 9100
"""Within a container each instance is alone, so that its ports are always the same."""

STOP_SECONDS: Final = 60
"""What a container gets to end in when it is stopped by somebody else: it drains for 30 s, and hands its runs over."""

LOG_BYTES: Final = "10m"
LOG_FILES: Final = "2"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What all projects of an environment have in common.

    `bind`: the address of a machine that ports are published at; empty: the machine's own where it is a number, else
    all of them. `first_port`: that of green's first instance. `variables`: a file on each machine. `source`: where
    the build's folder is in its image.
    """

    environment: str
    machines: tuple[str, ...]
    folder: str
    bind: str = ""
    first_port: int = SERVE_PORT
    variables: str = ""
    source: str = "/app"


def project(environment: str, deployment: str) -> str:
    """The project's name. Environments that share a machine do not share a project."""
    return f"watership-{slug(environment)}-{slug(deployment)}"


def file(spec: HostSpec, image: str, posts: Sequence[Post], bind: str, settings: Settings) -> bytes:
    """compose.yaml. Raises BadInput for an image that is not named by its digest: a tag may be another one tomorrow."""
    if "@sha256:" not in image:
        raise BadInput(
            f"The image {image!r} is not named by its digest.",
            fix="Say NAME@sha256:…, as the registry told it.",
        )
    tree = {
        "name": project(settings.environment, spec.deployment),
        "services": {
            f"{post.role}-{post.index}": _service(spec, image, post, bind, settings) for post in posts
        },
    }
    return yaml.safe_dump(tree, sort_keys=False, width=120).encode()


def _service(spec: HostSpec, image: str, post: Post, bind: str, settings: Settings) -> dict[str, object]:
    inside = SERVE_PORT if post.role == "serve" else PROBES_PORT
    published = {"target": inside, "host_ip": bind, "protocol": "tcp"}
    if post.role == "serve":
        published["published"] = str(port(settings.first_port, spec.slot, post.index))
    words = [
        post.role,
        *("--source", settings.source, "--deployment", spec.deployment, "--slot", spec.slot.value),
        *("--slots", str(spec.slots), "--listen", f"0.0.0.0:{inside}"),
    ]
    told = {
        "environment": settings.environment,
        "deployment": spec.deployment,
        "digest": spec.build.digest,
        "role": post.role,
        "instance": post.name,
    }
    return {
        "image": _literal(image),
        # Whatever the image would start by itself.
        "entrypoint": ["python", "-m", "watership.wiring.instance"],
        "command": [_literal(word) for word in words],
        **({"env_file": [_literal(settings.variables)]} if settings.variables else {}),
        "ports": [published],
        "labels": {f"{LABEL}.{name}": _literal(value) for name, value in told.items()},
        "restart": "unless-stopped",
        "init": True,
        "stop_signal": "SIGTERM",
        "stop_grace_period": f"{STOP_SECONDS}s",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "local", "options": {"max-size": LOG_BYTES, "max-file": LOG_FILES}},
    }


def _literal(text: str) -> str:
    """Compose puts variables in place of what begins with a dollar."""
    return text.replace("$", "$$")
