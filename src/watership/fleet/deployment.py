"""A deployment is a build put into a slot; runs are pinned to it by id, never to a colour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from watership.durable.ids import DeploymentId
from watership.fleet.build import Build

LINGERING_LIMIT = 3
"""Older deployments whose workers may live on until their last run ended. A plan beyond that is refused."""


class Slot(StrEnum):
    """A place for one build. Live and next are roles that the slots exchange, blue and green are their names."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Slot:
        return Slot.GREEN if self is Slot.BLUE else Slot.BLUE


class DeploymentState(StrEnum):
    """STANDING: in its slot. LINGERING: its slot is reused, its workers finish its runs. RETIRED: gone."""

    STANDING = "standing"
    LINGERING = "lingering"
    RETIRED = "retired"


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    id: DeploymentId
    build: Build
    slot: Slot
    state: DeploymentState
    created_at: datetime


class Deployments(Protocol):
    """The register of deployments, in the same database as the runs."""

    async def put(self, deployment: Deployment, *, epoch: int | None = None) -> None:
        """Write a deployment, new or changed. Putting it twice is putting it once.

        A release says its `epoch`: raises Fenced when it is lower than the intake's, in the same database.
        """

    async def all(self) -> Sequence[Deployment]:
        """Every deployment that is not retired, oldest first."""
