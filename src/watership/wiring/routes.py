"""Whether all that is sent to a deployment now finds its queue: what `watership doctor --prod` asks the broker."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from watership.adapters.rabbitmq.declaration import Found, Standing
from watership.config import Config
from watership.durable.ids import DeploymentId
from watership.durable.run import DEFAULT_POOL
from watership.errors import WatershipError
from watership.fleet.finding import Finding
from watership.wiring.staffing import staff_of
from watership.wiring.topology import Declaration, compare_with, planned

WHAT = "Routes"


async def examine_routes(config: Config) -> Finding:
    """The queues of those that take new work, for every pool that has a worker; and the inbox, whoever takes it."""
    try:
        staff = await staff_of(config)
        taking = {deployment: {DEFAULT_POOL, *pools} for deployment, pools in staff.items()}
        found = await compare_with(config.broker, _declarations(taking))
    except WatershipError as error:
        fix = error.fix or "watership topology verify"
        return Finding(what=WHAT, state="unknown", detail=error.message, fix=fix)
    return told(found, taking)


def _declarations(taking: dict[DeploymentId, set[str]]) -> list[Declaration]:
    """Each once: what all share is part of every plan."""
    every = planned(None, [], [])
    for deployment, pools in taking.items():
        every += [each for each in planned(None, [deployment], sorted(pools)) if each not in every]
    return every


def told(found: Sequence[Found], taking: dict[DeploymentId, set[str]]) -> Finding:
    """What a comparison says. Bindings that nobody could see are no reason to say that the routes stand."""
    by = {standing: [each.name for each in found if each.standing is standing] for standing in Standing}
    if by[Standing.MISSING]:
        detail = f"missing: {', '.join(by[Standing.MISSING])}"
        return Finding(what=WHAT, state="problem", detail=detail, fix=_applying(taking))
    if by[Standing.DIFFERENT]:
        detail = f"declared otherwise: {', '.join(by[Standing.DIFFERENT])}"
        return Finding(what=WHAT, state="problem", detail=detail, fix="watership topology verify")
    if by[Standing.UNSEEN]:
        return Finding(
            what=WHAT,
            state="unknown",
            detail=f"{len(by[Standing.UNSEEN])} of {len(found)} declarations cannot be seen; none is missing",
            fix="Set broker.management to http://HOST:15672, then: watership topology verify",
        )
    return Finding(
        what=WHAT, state="ok", detail=f"the queues of {len(taking)} deployment(s) and the inbox stand"
    )


def _applying(taking: dict[DeploymentId, set[str]]) -> str:
    words = ["watership", "topology", "apply"]
    for deployment in taking:
        words += ["--deployment", deployment]
    for pool in sorted({pool for pools in taking.values() for pool in pools} - {DEFAULT_POOL}):
        words += ["--pool", pool]
    return shlex.join(words)
