"""Who goes along with a release of this environment: the attendant, the lookout, and whoever tells people."""

from __future__ import annotations

from collections.abc import Sequence

from watership.durable.ids import RunId
from watership.durable.ports import Runs
from watership.releases import attendant as attendants
from watership.releases import lookout as lookouts
from watership.releases.attendant import ATTENDANT, Attendant
from watership.releases.checks import CHECKS
from watership.releases.clerk import Clerk
from watership.releases.company import Companion, Regular
from watership.releases.environment import Environment
from watership.releases.escalation import USUAL, Due
from watership.releases.incident import Incident, Incidents
from watership.releases.lookout import LOOKOUT, Lookout
from watership.releases.order import Release
from watership.releases.response import Response
from watership.releases.status import Fold, fold, journal


def company(
    env: Environment, own: Runs, incidents: Incidents, run_id: RunId, release: Release
) -> Sequence[Companion]:
    """The companions of one release; `own` is the controller's own store."""

    async def look() -> Fold:
        return fold(await journal(own, run_id), release)

    async def tell(incident: Incident, due: Due) -> None:
        env.audit.append(LOOKOUT, "incident.to_tell", {"incident": incident.id, "seat": due.seat})

    response = Response(incidents, env.audit, env.clock, release.plan.escalation or USUAL)
    attendant = Attendant(env, release, Clerk(env, release, CHECKS).scene(), look)
    lookout = Lookout(env, release, look, response, tell)
    return (
        Regular(ATTENDANT, attendant.look_once, attendants.LOOK_SECONDS, audit=env.audit, clock=env.clock),
        Regular(LOOKOUT, lookout.look_once, lookouts.LOOK_SECONDS, audit=env.audit, clock=env.clock),
    )
