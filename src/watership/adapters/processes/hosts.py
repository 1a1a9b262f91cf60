"""Hosts as the release sees them: calls to the host agent's process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watership.adapters.processes.calls import GRACE_SECONDS, Ensure, Instances, Stop
from watership.adapters.unixline.calls import Caller
from watership.durable.ids import DeploymentId
from watership.releases.ports import HostSpec, Instance


class ProcessHosts:
    """Hosts, by way of the control socket of a host agent."""

    def __init__(self, control: Path) -> None:
        self._caller = Caller(
            control, what="The host agent", start="Start it: python -m watership.adapters.processes --help."
        )

    async def ensure(self, spec: HostSpec, *, epoch: int) -> None:
        # Fewer processes than before means that some are ended first, with the agent's own grace.
        await self._caller.call(Ensure(spec=spec, epoch=epoch), type(None), seconds=GRACE_SECONDS)

    async def stop(self, deployment: DeploymentId, *, grace_seconds: float, epoch: int) -> None:
        call = Stop(deployment=deployment, grace_seconds=grace_seconds, epoch=epoch)
        await self._caller.call(call, type(None), seconds=grace_seconds)

    async def instances(self) -> Sequence[Instance]:
        return await self._caller.call(Instances(), list[Instance])
