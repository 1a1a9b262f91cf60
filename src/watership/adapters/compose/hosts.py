"""Hosts by Docker Compose: what the machines are told, and what engines and instances say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain

from watership.adapters.compose.commands import asking_versions, ensuring, looking, stopping
from watership.adapters.compose.containers import Container, containers
from watership.adapters.compose.project import Settings
from watership.adapters.http.report import Report, reported
from watership.adapters.ssh.command import Command
from watership.adapters.ssh.reach import address
from watership.adapters.ssh.shell import Shell
from watership.durable.ids import DeploymentId
from watership.errors import Conflict, Unavailable
from watership.fleet.build import Build
from watership.releases.ports import HostSpec, Instance, InstanceState


class ComposeHosts:
    """Hosts. `image_of` says which image carries a build."""

    def __init__(self, settings: Settings, shell: Shell, image_of: Callable[[Build], str]) -> None:
        self._settings = settings
        self._shell = shell
        self._image_of = image_of

    def commands(self, spec: HostSpec) -> list[Command]:
        """What `ensure` tells the machines."""
        return ensuring(spec, self._image_of(spec.build), self._settings)

    async def versions(self) -> dict[str, str]:
        """What each machine says of the programs that it would be told by."""
        found = await self._shell.look(asking_versions(self._settings))
        return {machine: output.decode(errors="replace") for machine, output in found.items()}

    async def ensure(self, spec: HostSpec, *, epoch: int) -> None:
        commands = self.commands(spec)
        for there in await self._containers():
            if there.deployment == spec.deployment and there.digest != spec.build.digest:
                raise Conflict(f"Deployment {spec.deployment} has build {there.digest}; it never changes.")
        await self._shell.act(commands, epoch=epoch)

    async def stop(self, deployment: DeploymentId, *, grace_seconds: float, epoch: int) -> None:
        await self._shell.act(stopping(deployment, grace_seconds, self._settings), epoch=epoch)
        if left := [each.name for each in await self._containers() if each.deployment == deployment]:
            raise Unavailable(f"{', '.join(left)} is still there after it was stopped.")

    async def instances(self) -> Sequence[Instance]:
        there = await self._containers()
        told = await asyncio.gather(*(reported(_probed(each)) for each in there))
        return [_instance(each, report) for each, report in zip(there, told, strict=True)]

    async def _containers(self) -> list[Container]:
        found = await self._shell.look(looking(self._settings))
        every = chain.from_iterable(containers(machine, output) for machine, output in found.items())
        return sorted(every, key=lambda each: (each.deployment, each.role, each.index))


def _probed(container: Container) -> str | None:
    """Where the instance itself can be asked; None while nothing of it runs."""
    if container.state is InstanceState.DEAD or container.port is None:
        return None
    return f"{address(container.machine)}:{container.port}"


def _instance(container: Container, report: Report) -> Instance:
    running = container.state is InstanceState.STARTING
    return Instance(
        name=container.name,
        deployment=container.deployment,
        role=container.role,
        state=report.state if running else container.state,
        # A process of another machine: its number says nothing here.
        pid=None,
        address=_probed(container) if container.role == "serve" else None,
        digest=report.digest,
        version=report.version,
        restarts=container.restarts,
    )
