"""Who goes along with a release of this environment: the attendant, the responder, and whoever tells people."""

from __future__ import annotations

from collections.abc import Sequence

from watership.durable.ids import RunId
from watership.durable.ports import Runs
from watership.releases import attendant, responder
from watership.releases.attendant import Attendant
from watership.releases.checks import CHECKS
from watership.releases.clerk import Clerk
from watership.releases.company import Companion, Regular
from watership.releases.environment import Environment
from watership.releases.escalation import USUAL, Due
from watership.releases.incident import Incident, Incidents
from watership.releases.order import Release
from watership.releases.responder import Responder
from watership.releases.response import Response
from watership.releases.status import Fold, fold, journal


def company(
    env: Environment, own: Runs, incidents: Incidents, run_id: RunId, release: Release
) -> Sequence[Companion]:
    """The companions of one release; `own` is the controller's own store."""

    async def look() -> Fold:
        return fold(await journal(own, run_id), release)

    async def tell(incident: Incident, due: Due) -> None:
        env.audit.append(responder.RESPONDER, "incident.to_tell", {"incident": incident.id, "seat": due.seat})

    attends = Attendant(env, release, Clerk(env, release, CHECKS).scene(), look)
    response = Response(incidents, env.audit, env.clock, release.plan.escalation or USUAL)
    responds = Responder(env, release, response, look=look, pages=env.audit.entries, tell=tell)
    return tuple(
        Regular(name, look_once, every, audit=env.audit, clock=env.clock)
        for name, look_once, every in (
            (attendant.ATTENDANT, attends.look_once, attendant.LOOK_SECONDS),
            (responder.RESPONDER, responds.look_once, responder.LOOK_SECONDS),
        )
    )
