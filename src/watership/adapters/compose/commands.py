"""What the machines are told of a deployment, as lists of commands."""

from __future__ import annotations

import ipaddress
from typing import Final

from watership.adapters.compose.project import LABEL, Settings, file, project
from watership.adapters.ssh.command import LOOK_SECONDS, Command
from watership.adapters.ssh.posts import placed
from watership.adapters.ssh.reach import address
from watership.durable.ids import DeploymentId
from watership.releases.ports import HostSpec

PULL_SECONDS: Final = 600.0
"""An image of some GB, over a slow line."""

SLACK_SECONDS: Final = 30.0
"""Beyond the grace of what is stopped: Docker kills, and takes networks down."""

# No pipe: its end would hide that the first of two failed, and an engine that is down would have no containers. A
# container that is removed between the two questions spoils the answer, so both are asked again.
INSPECT: Final = """\
for _ in 1 2 3; do
    ids=$(docker ps --all --quiet --no-trunc --filter "label=$1") || exit 1
    [ -n "$ids" ] || exit 0
    told=$(docker inspect --type container $ids) && printf '%s\\n' "$told" && exit 0
done
exit 1
"""


def ensuring(spec: HostSpec, image: str, settings: Settings) -> list[Command]:
    """Let each machine run its part of the deployment, and no more: a wish that may be said twice."""
    commands = []
    for machine, posts in placed(spec, settings.machines).items():
        if not posts:
            commands.append(_down(machine, spec.deployment, 30.0, settings))
            continue
        path = f"{settings.folder}/{project(settings.environment, spec.deployment)}/compose.yaml"
        text = file(spec, image, posts, bind(machine, settings), settings)
        compose = ("docker", "compose", "--file", path)
        commands += [
            Command(machine=machine, words=("install", "-D", "-m", "0644", "/dev/stdin", path), given=text),
            Command(machine=machine, words=("docker", "pull", "--quiet", image), seconds=PULL_SECONDS),
            Command(
                machine=machine,
                words=(*compose, "up", "--detach", "--no-build", "--pull", "never", "--remove-orphans"),
            ),
        ]
    return commands


def stopping(deployment: DeploymentId, grace_seconds: float, settings: Settings) -> list[Command]:
    """End what the machines run of a deployment, by its name alone: the file may be lost."""
    return [_down(machine, deployment, grace_seconds, settings) for machine in settings.machines]


def looking(settings: Settings) -> list[Command]:
    """Ask each machine for the containers of this environment, running or not."""
    label = f"{LABEL}.environment={settings.environment}"
    words = ("sh", "-c", INSPECT, "watership", label)
    return [Command(machine=machine, words=words, seconds=LOOK_SECONDS) for machine in settings.machines]


def asking_versions(settings: Settings) -> list[Command]:
    """Ask each machine which Compose it has, which talks to the engine that it would use."""
    words = ("sh", "-c", "docker version --format '{{.Server.Version}}' && docker compose version --short")
    return [Command(machine=machine, words=words, seconds=LOOK_SECONDS) for machine in settings.machines]


def bind(machine: str, settings: Settings) -> str:
    """The address that a machine's ports are published at; a name may be another one seen from there."""
    if settings.bind:
        return settings.bind
    try:
        return str(ipaddress.ip_address(address(machine).strip("[]")))
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - of a machine in a network of its own; another one is said by `bind`


def _down(machine: str, deployment: DeploymentId, grace_seconds: float, settings: Settings) -> Command:
    name = project(settings.environment, deployment)
    # Whole seconds, as Docker counts them.
    seconds = str(max(0, round(grace_seconds)))
    return Command(
        machine=machine,
        words=("docker", "compose", "--project-name", name, "down", "--remove-orphans", "--timeout", seconds),
        seconds=grace_seconds + SLACK_SECONDS,
    )
