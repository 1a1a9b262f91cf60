"""What a machine's systemd tells of an environment's units, read from `systemctl show`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from watership.adapters.processes.presence import Presence
from watership.durable.ids import DeploymentId
from watership.errors import Unavailable
from watership.releases.ports import InstanceState, Role

STATES: Final[Mapping[str, InstanceState]] = {
    "active": InstanceState.STARTING,
    "activating": InstanceState.STARTING,
    "reloading": InstanceState.STARTING,
    "deactivating": InstanceState.DRAINING,
    "inactive": InstanceState.DEAD,
    "failed": InstanceState.DEAD,
    "maintenance": InstanceState.DEAD,
}
"""What systemd's word for a unit means, before the instance itself was heard."""

SAYS: Final = re.compile(r"Watership (serve|worker) (\d+) of (\S+) \((\S+)\)")


class Unit(Struct, frozen=True, kw_only=True):
    """An instance's unit. `told`: what the process that runs now says of itself, None while it says nothing."""

    machine: str
    name: str
    deployment: DeploymentId
    role: Role
    index: int
    digest: str
    """What it was started for, not what it reports."""
    state: InstanceState
    restarts: int
    told: Presence | None


class Told(Struct, frozen=True, kw_only=True):
    """What one machine told: its units, and the names of the builds that are unpacked there."""

    units: tuple[Unit, ...]
    builds: tuple[str, ...]


def told(machine: str, output: bytes) -> Told:
    """What a look printed. Raises Unavailable for what cannot be read."""
    blocks = [_fields(block) for block in output.decode(errors="replace").split("\n\n")]
    lines = [line.partition("=") for line in output.decode(errors="replace").splitlines()]
    builds = tuple(value for name, _, value in lines if name == "Build")
    try:
        said = [msgspec.json.decode(value, type=Presence) for name, _, value in lines if name == "Presence"]
        by_pid = {each.pid: each for each in said}
        units = tuple(_unit(machine, block, by_pid) for block in blocks if "Id" in block)
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise Unavailable(f"{machine}: what systemctl show says cannot be read: {error}.") from error
    return Told(units=units, builds=builds)


def _fields(block: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in block.splitlines())}


def _unit(machine: str, block: Mapping[str, str], said: Mapping[int, Presence]) -> Unit:
    says = SAYS.fullmatch(block["Description"])
    if says is None:
        raise ValueError(f"{block['Id']} is described as {block['Description']!r}")
    role, index, deployment, digest = says.groups()
    return Unit(
        machine=machine,
        name=block["Id"],
        deployment=DeploymentId(deployment),
        role=msgspec.convert(role, Role),
        index=int(index),
        digest=digest,
        state=STATES[block["ActiveState"]],
        restarts=int(block["NRestarts"]),
        # By its process: what one before it left says nothing of this one.
        told=said.get(int(block["MainPID"])),
    )
