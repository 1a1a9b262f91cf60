"""Hosts by systemd: what the machines are told, and what units and instances say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from watership.adapters.http.readiness import Readiness, readiness
from watership.adapters.ssh.command import Command
from watership.adapters.ssh.reach import address
from watership.adapters.ssh.shell import Shell
from watership.adapters.systemd.commands import RUN, asking_versions, ensuring, looking, stopping
from watership.adapters.systemd.shown import Told, Unit, told
from watership.adapters.systemd.unit import Settings
from watership.durable.ids import DeploymentId
from watership.errors import Conflict, Unavailable
from watership.releases.ports import HostSpec, Instance, InstanceState


class SystemdHosts:
    """Hosts. `run` is where systemd makes what lives as long as a unit."""

    def __init__(self, settings: Settings, shell: Shell, *, run: str = RUN) -> None:
        self._settings = settings
        self._shell = shell
        self._run = run

    def commands(self, spec: HostSpec) -> list[Command]:
        """What `ensure` tells machines on which nothing of the deployment is yet."""
        return ensuring(spec, self._settings)

    async def versions(self) -> dict[str, str]:
        """What each machine says of the programs that it would be told by."""
        found = await self._shell.look(asking_versions(self._settings))
        return {machine: output.decode(errors="replace") for machine, output in found.items()}

    async def ensure(self, spec: HostSpec, *, epoch: int) -> None:
        machines = await self._told()
        for each in _units(machines):
            if each.deployment == spec.deployment and each.digest != spec.build.digest:
                raise Conflict(f"Deployment {spec.deployment} has build {each.digest}; it never changes.")
        there = {
            machine: [*(unit.name for unit in said.units), *said.builds] for machine, said in machines.items()
        }
        # Packing a build reads all of its files.
        commands = await asyncio.to_thread(ensuring, spec, self._settings, there=there)
        await self._shell.act(commands, epoch=epoch)

    async def stop(self, deployment: DeploymentId, *, grace_seconds: float, epoch: int) -> None:
        await self._shell.act(stopping(deployment, grace_seconds, self._settings), epoch=epoch)
        if left := [each.name for each in _units(await self._told()) if each.deployment == deployment]:
            raise Unavailable(f"{', '.join(left)} is still there after it was stopped.")

    async def instances(self) -> Sequence[Instance]:
        return await asyncio.gather(*(_instance(each) for each in _units(await self._told())))

    async def _told(self) -> dict[str, Told]:
        found = await self._shell.look(looking(self._settings, self._run))
        return {machine: told(machine, output) for machine, output in found.items()}


def _units(machines: dict[str, Told]) -> list[Unit]:
    every = [unit for said in machines.values() for unit in said.units]
    return sorted(every, key=lambda each: (each.deployment, each.role, each.index))


async def _instance(unit: Unit) -> Instance:
    where = _where(unit)
    state = unit.state
    if state is InstanceState.STARTING and unit.told is not None:
        state = await _state(unit, where)
    return Instance(
        name=f"{unit.deployment}-{unit.role}-{unit.index}",
        deployment=unit.deployment,
        role=unit.role,
        state=state,
        # A process of another machine: its number says nothing here.
        pid=None,
        address=where,
        digest=unit.told.digest if unit.told is not None else None,
        version=unit.told.version if unit.told is not None else None,
        restarts=unit.restarts,
    )


def _where(unit: Unit) -> str | None:
    """The port that the process says, at the machine's address."""
    if unit.role != "serve" or unit.told is None or unit.told.address is None:
        return None
    return f"{address(unit.machine)}:{unit.told.address.rpartition(':')[2]}"


async def _state(unit: Unit, where: str | None) -> InstanceState:
    assert unit.told is not None
    match unit.told.state:
        case "draining":
            return InstanceState.DRAINING
        case "ready" if unit.role == "worker":
            return InstanceState.READY
        case "ready" if where is not None and await readiness(where) is Readiness.READY:
            return InstanceState.READY
        case _:
            return InstanceState.STARTING
