"""What the host agent can be told over its control socket."""

from __future__ import annotations

import msgspec

from watership.durable.ids import DeploymentId
from watership.releases.ports import HostSpec

GRACE_SECONDS = 30.0
"""What processes get to end in when nobody said how long."""


class Ensure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    spec: HostSpec
    epoch: int


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    deployment: DeploymentId
    grace_seconds: float
    epoch: int


class Instances(msgspec.Struct, frozen=True, tag=True):
    """Every instance that is wished for or still there."""


HostCall = Ensure | Stop | Instances
