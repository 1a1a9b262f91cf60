"""Who goes along with a release of this environment: the attendant, the responder, and whoever tells people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from watership.durable.ids import RunId
from watership.durable.ports import Observer, Runs
from watership.errors import WatershipError
from watership.releases.checks import Kinds
from watership.releases.company import Companion, Regular, together
from watership.releases.complaints import Complaints
from watership.releases.environment import Environment
from watership.releases.incidents import promises, responder
from watership.releases.incidents.alarm import ALARMING
from watership.releases.incidents.escalation import USUAL
from watership.releases.incidents.incident import Incidents
from watership.releases.incidents.promises import Assess, Promises
from watership.releases.incidents.responder import Responder
from watership.releases.incidents.response import Response
from watership.releases.journal import Fold, fold, journal
from watership.releases.notices.outbox import Outbox
from watership.releases.order import Release
from watership.releases.readiness import attendant
from watership.releases.readiness.attendant import Attendant
from watership.releases.readiness.clerk import Clerk
from watership.wiring.messages import Pages, Press, complaints_of, press


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Makes the companions of a release; `own` is the controller's own store.

    `promised`: how the SLA is looked at, where somebody keeps metrics.
    """

    env: Environment
    own: Runs
    incidents: Incidents
    box: Outbox
    observer: Observer
    kinds: Kinds
    promised: Assess | None = None

    def __call__(self, run_id: RunId, release: Release) -> Sequence[Companion]:
        env, plan = self.env, release.plan

        async def look() -> Fold:
            return fold(await journal(self.own, run_id), release)

        told = self._press(release)
        attends = Attendant(env, release, Clerk(env, release, self.kinds(release)).scene(), look)
        response = Response(self.incidents, env.audit, env.clock, plan.escalation or USUAL)
        responds = Responder(
            env, release, response, look=look, pages=Pages(env.audit, ALARMING).entries, tell=told.tell
        )
        return (
            told.messenger,
            self._regular(attendant.ATTENDANT, attends.look_once, attendant.LOOK_SECONDS),
            self._regular(responder.RESPONDER, responds.look_once, responder.LOOK_SECONDS),
            *self._promises(plan.release, response),
        )

    def _promises(self, release: str, response: Response) -> Sequence[Companion]:
        if self.promised is None:
            return ()
        looks = Promises(release, response, self.promised, self.env.clock)
        return (self._regular(promises.PROMISES, looks.look_once, promises.LOOK_SECONDS),)

    async def tells(self, release: Release) -> None:
        """Put out what is due about a release that nobody goes along with, and deliver it if nobody else does.

        What cannot be said is in the audit: what was done to the release is told by its command all the same.
        """
        try:
            async with together([self._press(release).messenger]):
                pass
        except (OSError, WatershipError) as error:
            complaints_of(self.env, self.observer).about(error, doing="tell")

    def _press(self, release: Release) -> Press:
        plan = release.plan
        return press(
            self.env,
            self.own,
            self.incidents,
            box=self.box,
            comms=plan.comms,
            plan=plan,
            observer=self.observer,
        )

    def _regular(self, name: str, look_once: Callable[[], Awaitable[None]], every: float) -> Regular:
        env = self.env
        complaints = Complaints(name, audit=env.audit, clock=env.clock, observer=self.observer)
        return Regular(look_once, every, complaints=complaints, clock=env.clock)
