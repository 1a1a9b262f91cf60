"""Trouble is told in an incident's own words, to whom it concerns, and to each level of the escalation in its time."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from watership.durable.clock import Clock
from watership.errors import Unavailable
from watership.releases.auditing.audit import Audit, Fact
from watership.releases.incidents import incident as incidents
from watership.releases.incidents.escalation import Due
from watership.releases.notices.comms import Comms
from watership.releases.notices.deliverer import WHO
from watership.releases.notices.messenger import Look, worded
from watership.releases.notices.notice import Asked, Incident, Notice, Priority
from watership.releases.notices.outbox import Outbox

PRIORITIES: dict[incidents.Severity, Priority] = {
    incidents.Severity.CRITICAL: "CRITICAL",
    incidents.Severity.HIGH: "HIGH",
    incidents.Severity.MEDIUM: "MEDIUM",
}


def told_of(kept: Iterable[incidents.Incident], release: str) -> tuple[Incident, ...]:
    """The incidents of a release, and those of no release, as messages need them."""
    return tuple(facts(each) for each in kept if each.opening.release in (release, ""))


def facts(incident: incidents.Incident) -> Incident:
    """What is told of an incident."""
    return Incident(
        id=incident.id,
        priority=PRIORITIES[incident.severity],
        title=incident.opening.title,
        opened_at=incident.since,
        opened_by=incident.opened_by,
        symptoms=(incident.opening.symptom,),
        acknowledged_by=incident.acknowledged_by if incident.acknowledged_at is not None else "",
        closed_at=incident.ended_at,
        resolution=incident.resolution,
        again=sum(isinstance(event, incidents.Reopened) for event in incident.events),
    )


class Escalating:
    """Tells a level of the escalation: through the channels of its seat, else through those of incidents."""

    def __init__(self, *, comms: Comms, look: Look, outbox: Outbox, audit: Audit, clock: Clock) -> None:
        self._comms = comms
        self._look = look
        self._outbox = outbox
        self._audit = audit
        self._clock = clock

    async def tell(self, incident: incidents.Incident, due: Due) -> None:
        """Once it returns the message is in the outbox. Raises Unavailable where no channel leads to the seat."""
        sendings = self._comms.of("incident")
        to = self._comms.seats.get(due.seat) or tuple(each for sending in sendings for each in sending.to)
        if not to or not sendings:
            raise Unavailable(f"No channel leads to the seat {due.seat}, and none is for incidents.")
        told = facts(incident)
        asked = Asked(
            level=due.level, title=due.title, because=due.because, powers=due.powers, again=due.again
        )
        notice = Notice(
            id=f"escalation/{told.thread}/{due.level}/{due.at:%Y-%m-%dT%H:%M:%S.%fZ}",
            kind="incident",
            template=sendings[0].template,
            to=tuple(dict.fromkeys(to)),
            at=due.at,
            thread=f"incident/{told.thread}",
            incident=replace(told, asked=asked),
        )
        now = self._clock.now()
        message = worded(self._comms, notice, await self._look(), now, self._audit)
        if self._outbox.put(message, notice.to, now):
            noted: dict[str, Fact] = {
                "release": message.release,
                "notice": notice.id,
                "kind": notice.kind,
                "subject": message.subject,
                "channels": list(notice.to),
                "seat": due.seat,
            }
            self._audit.append(WHO, "notice.put", noted)
