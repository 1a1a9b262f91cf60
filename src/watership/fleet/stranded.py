"""Lingering and stranded: what becomes of deployments whose slot was reused, and of runs nobody executes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from watership.durable.ids import DeploymentId
from watership.durable.ports import WorkerPresence
from watership.durable.states import TERMINAL, RunState
from watership.errors import Conflict
from watership.fleet.deployment import LINGERING_LIMIT, Deployment, DeploymentState

SILENCE = timedelta(seconds=30)
"""A worker that was not heard of for so long does not count: twice the length of its leases."""

Census = Mapping[tuple[DeploymentId, RunState], int]


class TooManyLingering(Conflict):
    """A slot cannot be reused: too many older deployments still have runs."""

    code = "too_many_lingering"

    def __init__(self, lingering: Sequence[DeploymentId]) -> None:
        names = ", ".join(lingering)
        super().__init__(
            f"{len(lingering)} older deployments still have runs ({names}), the limit is {LINGERING_LIMIT}.",
            fix="Wait for their runs, or look at them: watership run list --deployment ID",
        )
        self.lingering = tuple(lingering)


class Stranded(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that are pinned to a deployment which no living worker serves."""

    deployment: DeploymentId
    runs: int
    state: DeploymentState | None
    """None when the deployment is not registered (any more)."""


def open_runs(census: Census, deployment: DeploymentId) -> int:
    """How many runs of the deployment have not ended."""
    return sum(
        count for (owner, state), count in census.items() if owner == deployment and state not in TERMINAL
    )


def stranded(
    census: Census, workers: Iterable[WorkerPresence], deployments: Iterable[Deployment], now: datetime
) -> list[Stranded]:
    """The deployments with open runs and without a living worker; each needs revive, hand-over or fail."""
    served = {worker.deployment for worker in workers if now - worker.seen_at < SILENCE}
    states = {deployment.id: deployment.state for deployment in deployments}
    owners = sorted({owner for owner, _ in census})
    return [
        Stranded(deployment=owner, runs=runs, state=states.get(owner))
        for owner in owners
        if owner not in served and (runs := open_runs(census, owner))
    ]


def lingering(
    deployments: Iterable[Deployment], census: Census, *, serving: Collection[DeploymentId]
) -> list[Deployment]:
    """The deployments that live on for their runs alone once a slot is reused, beside the `serving` ones.

    Raises TooManyLingering beyond the limit.
    """
    found = [each for each in deployments if each.id not in serving and open_runs(census, each.id)]
    if len(found) > LINGERING_LIMIT:
        raise TooManyLingering([each.id for each in found])
    return found
