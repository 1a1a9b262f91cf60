"""A container as its engine tells of it, read from `docker inspect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from watership.adapters.compose.project import LABEL
from watership.durable.ids import DeploymentId
from watership.errors import Unavailable
from watership.releases.ports import InstanceState, Role

STATES: Final[Mapping[str, InstanceState]] = {
    "created": InstanceState.STARTING,
    "restarting": InstanceState.STARTING,
    "running": InstanceState.STARTING,
    # Frozen, not ended: it holds its port and answers nobody.
    "paused": InstanceState.STARTING,
    "removing": InstanceState.DRAINING,
    "exited": InstanceState.DEAD,
    "dead": InstanceState.DEAD,
}
"""What an engine's word for a container means, before the instance itself was asked."""


class Container(Struct, frozen=True, kw_only=True):
    """An instance's container. `port` is where its machine passes requests to it on, None while there is none."""

    machine: str
    name: str
    deployment: DeploymentId
    role: Role
    index: int
    digest: str
    """What it was started for, not what it reports."""
    state: InstanceState
    port: int | None
    restarts: int


class _State(Struct, rename="pascal"):
    status: str


class _Binding(Struct, rename="pascal"):
    host_port: str


class _Network(Struct, rename="pascal"):
    ports: dict[str, list[_Binding] | None] | None = None


class _Configuration(Struct, rename="pascal"):
    labels: dict[str, str]


class _Inspected(Struct, rename="pascal"):
    state: _State
    config: _Configuration
    network_settings: _Network
    restart_count: int = 0


def containers(machine: str, output: bytes) -> list[Container]:
    """The containers in what `docker inspect` printed; nothing was printed where there are none."""
    if not output.strip():
        return []
    try:
        return [_container(machine, each) for each in msgspec.json.decode(output, type=list[_Inspected])]
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise Unavailable(f"{machine}: what docker inspect says cannot be read: {error}.") from error


def _container(machine: str, told: _Inspected) -> Container:
    labels = told.config.labels
    return Container(
        machine=machine,
        name=labels[f"{LABEL}.instance"],
        deployment=DeploymentId(labels[f"{LABEL}.deployment"]),
        role=msgspec.convert(labels[f"{LABEL}.role"], Role),
        index=int(labels[f"{LABEL}.instance"].rpartition("-")[2]),
        digest=labels[f"{LABEL}.digest"],
        state=STATES[told.state.status],
        port=_port(told.network_settings.ports or {}),
        restarts=told.restart_count,
    )


def _port(ports: Mapping[str, Sequence[_Binding] | None]) -> int | None:
    """The one port that each of ours publishes; the engine tells it twice where it is open to IPv6 too."""
    found = {int(each.host_port) for several in ports.values() for each in several or () if each.host_port}
    return min(found, default=None)
