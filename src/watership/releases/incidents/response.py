"""The response to alarms: incidents are opened by rule, levels are told in time, and all of it is in the audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from watership.durable.clock import Clock
from watership.errors import Unavailable
from watership.releases.auditing.audit import Audit, Fact
from watership.releases.book.team import Escalation
from watership.releases.incidents.alarm import Alarm, incidents_due
from watership.releases.incidents.escalation import Due, due_escalations, recorded
from watership.releases.incidents.incident import Event, Incident, Incidents, Opening, chosen, kind, opened
from watership.releases.incidents.timeline import OWN, words

CONTROLLER = "controller"

Tell = Callable[[Incident, Due], Awaitable[None]]
"""Hand over to whoever delivers messages. Where that raises Unavailable nobody was told, and it stays due."""

Make = Callable[[Incident], Event]


class Response:
    """What a controller, and people, do about incidents. `plan` says who is told when."""

    def __init__(self, incidents: Incidents, audit: Audit, clock: Clock, plan: Escalation) -> None:
        self._incidents = incidents
        self._audit = audit
        self._clock = clock
        self.plan = plan

    async def look(self, alarms: Sequence[Alarm], tell: Tell) -> list[Due]:
        """Open what is due by rule, and tell whom it is time to tell; who was told.

        A level is put down as told once `tell` has returned: killed in between, it is told twice, and never not at all.
        Raises, once everybody else was told, a group with what `tell` said of each who could not be.
        """
        await self.open_due(alarms)
        done: list[Due] = []
        untold: list[Unavailable] = []
        for incident in await self._incidents.all():
            for due in self.due(incident):
                try:
                    await tell(incident, due)
                except Unavailable as error:
                    # Nothing is put down, so that it is due still; the others must not wait for it.
                    untold.append(error)
                    continue
                await self.put(incident.id, self._recording(due, CONTROLLER))
                done.append(due)
        if untold:
            raise ExceptionGroup("Somebody could not be told.", untold)
        return done

    async def open_due(self, alarms: Sequence[Alarm]) -> None:
        """Open what is due by rule."""
        for opening in incidents_due(alarms, await self._incidents.all()):
            await self.open(opening, who=CONTROLLER)

    async def open(self, opening: Opening, *, who: str) -> Incident | None:
        """Open an incident, or open it again; None where its rule has one going on."""
        after = await self._incidents.add(opened(opening, who=who, at=self._clock.now()))
        if after is not None:
            self._note(after)
        return after

    async def put(self, name: str | None, make: Make) -> Incident:
        """Let something happen to the incident of that name, or to the only one that is open. Raises Conflict."""
        after = await self._incidents.add(lambda there: make(chosen(there, name)))
        assert after is not None, "an event was made"
        self._note(after)
        return after

    async def told(self, incident: Incident, *, who: str) -> list[Due]:
        """Put down that a person has told every level that is due."""
        due = self.due(incident)
        for each in due:
            await self.put(incident.id, self._recording(each, who))
        return due

    def due(self, incident: Incident) -> list[Due]:
        """Who is to be told of it now."""
        return due_escalations(incident, self._clock.now(), self.plan)

    def _recording(self, due: Due, who: str) -> Make:
        return lambda _: recorded(due, who=who, at=self._clock.now())

    def _note(self, after: Incident) -> None:
        event = after.events[-1]
        facts: dict[str, Fact] = {
            "incident": after.id,
            "release": after.opening.release,
            "severity": after.severity.value,
            "state": after.state.value,
            "words": words(event)[:1000],
        }
        self._audit.append(event.who, f"{OWN}{kind(event)}", facts)
