"""The incidents of an environment: kept in a file beside its releases' papers, whether or not the environment is up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from watership.adapters.files.audit import AuditFile
from watership.adapters.files.incidents import IncidentFile
from watership.adapters.files.releases import ReleaseFolder
from watership.adapters.files.replace import sync_folder
from watership.adapters.rehearsal.clock import LeapingClock
from watership.config import Config
from watership.durable.clock import Clock, SystemClock
from watership.errors import NotFound
from watership.fleet.identity import OPERATOR
from watership.releases.book.team import Escalation
from watership.releases.incidents.escalation import USUAL
from watership.releases.incidents.incident import Event, Incident, Incidents, State, chosen, critical
from watership.releases.incidents.postmortem import skeleton
from watership.releases.incidents.response import Response
from watership.releases.incidents.timeline import AN_INCIDENT, Line, timeline
from watership.releases.warrant import Caller
from watership.wiring.environment import Places

FILE = "incidents.jsonl"

RESPONDERS: Final = ("incident_commander", "deployment_lead", "monitoring")
"""Who besides operators, and the seats that are told, may put something down."""

Make = Callable[[Incident, str, datetime], Event]
"""What happens to an incident, by whom and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentDesk:
    """Where incidents are opened, followed and closed."""

    incidents: Incidents
    audit: AuditFile
    clock: Clock
    places: Places

    def response(self, release: str) -> Response:
        """With the escalation of that release's plan, or the usual one."""
        return Response(self.incidents, self.audit, self.clock, self._escalation(release))

    def _escalation(self, release: str) -> Escalation:
        if not release:
            return USUAL
        try:
            plan = ReleaseFolder(self.places.releases, release).draft().plan
        except NotFound:
            return USUAL
        return plan.escalation or USUAL

    def allowed(self, caller: Caller, act: str, release: str) -> str:
        """The person, if they answer for incidents: operators, responders, and the seats that are told."""
        seats = [level.seat for level in self._escalation(release).levels]
        roles = (OPERATOR, *RESPONDERS, *seats)
        return caller.require(self.audit, f"{act}{AN_INCIDENT}", *roles, release=release)

    async def happen(self, which: str | None, caller: Caller, act: str, makes: Sequence[Make]) -> Incident:
        """Let things happen to an incident, one after the other."""
        there = await self.incidents.all()
        if which is None and act == "note" and there and all(each.state is State.CLOSED for each in there):
            which = there[-1].id  # what was learned is noted on the last one
        found = chosen(there, which)
        response = self.response(found.opening.release)
        person = self.allowed(caller, act, found.opening.release)
        for make in makes:
            found = await response.put(found.id, lambda it, make=make: make(it, person, self.clock.now()))  # type: ignore[misc]
        return found

    def timeline(self, incident: Incident) -> list[Line]:
        return timeline(incident, self.audit.entries())

    async def write_post_mortem(self, incident: Incident) -> Path:
        """The skeleton as a file. One that is there is kept: people have written in it."""
        text = skeleton(incident, self.audit.entries(), self.clock.now())
        path = folder(self.places) / f"{incident.id}.md"
        await asyncio.to_thread(_write_new, path, text)
        return path


@contextmanager
def open_incidents(config: Config) -> Iterator[IncidentDesk]:
    """Open the incidents of the environment that `config` names."""
    places = Places.of(config)
    clock: Clock = LeapingClock(places.calendar) if config.environment.rehearsal else SystemClock()
    places.folder.mkdir(parents=True, exist_ok=True)
    with AuditFile(places.audit, clock.now, secret=config.secret) as audit:
        yield IncidentDesk(incidents=incidents_of(places), audit=audit, clock=clock, places=places)


def folder(places: Places) -> Path:
    return places.releases / "incidents"


def incidents_of(places: Places) -> Incidents:
    return IncidentFile(folder(places) / FILE)


def critical_of(places: Places) -> Callable[[str], Awaitable[Sequence[str]]]:
    """The critical incidents that are going on, for whoever decides about a GO."""
    incidents = incidents_of(places)

    async def found(release: str) -> Sequence[str]:
        return critical(await incidents.all(), release)

    return found


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return
    sync_folder(path.parent)
