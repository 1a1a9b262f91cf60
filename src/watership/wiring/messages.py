"""The messages of a release: channels made of what the plan says, the outbox, and the messenger beside a controller."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import assert_never

from watership.adapters.channels.jira import JiraChannel
from watership.adapters.channels.mail import MailChannel
from watership.adapters.channels.pagerduty import PagerDutyChannel
from watership.adapters.channels.slack import SlackChannel
from watership.adapters.channels.statuspage import StatuspageChannel
from watership.adapters.channels.voice import VoiceChannel
from watership.adapters.channels.webhook import WebhookChannel
from watership.adapters.files.outbox import OutboxFile
from watership.durable.ports import Observer, Runs
from watership.errors import BadInput, NotFound, Unavailable
from watership.releases import incident as incidents_
from watership.releases.audit import Audit, Entry
from watership.releases.environment import Environment
from watership.releases.escalation import Due
from watership.releases.incident import Incidents
from watership.releases.notices import comms as spec
from watership.releases.notices import looking as find
from watership.releases.notices.comms import Comms
from watership.releases.notices.deliverer import Channel, Deliverer
from watership.releases.notices.messenger import FINISH_SECONDS, Look, Messenger
from watership.releases.notices.minute import LastMinute
from watership.releases.notices.notice import Incident, Kind, Message, Priority
from watership.releases.notices.situation import PAGES, Seat
from watership.releases.notices.template import plain_words
from watership.releases.plan import Plan
from watership.releases.records import standing_signoffs
from watership.releases.signoff import SignOff
from watership.wiring.environment import Places

PRIORITIES: Mapping[incidents_.Severity, Priority] = {
    incidents_.Severity.CRITICAL: "CRITICAL",
    incidents_.Severity.HIGH: "HIGH",
    incidents_.Severity.MEDIUM: "MEDIUM",
}

RUNBOOK = "agent-orchestrator"
"""The runbook whose templates serve for comms that name none of their own."""

SHIPPED: Mapping[Kind, str] = {
    "announce": "comms/announce.md",
    "approval": "comms/approvals.md",
    "status": "comms/status.md",
    "issue": "comms/issue.md",
    "rollback": "comms/rollback.md",
    "success": "comms/success.md",
    "incident": "comms/incident.md",
}
"""The templates that come with Watership, for comms that name none of their own."""


def channel(given: spec.Channel, now: Callable[[], datetime]) -> Channel:
    """What sends through the channel that is described."""
    match given:
        case spec.Slack():
            return SlackChannel(given)
        case spec.Email():
            return MailChannel(given)
        case spec.PagerDuty():
            return PagerDutyChannel(given)
        case spec.Statuspage():
            return StatuspageChannel(given)
        case spec.Webhook():
            return WebhookChannel(given, now)
        case spec.Jira():
            return JiraChannel(given)
        case spec.Voice():
            return VoiceChannel(given, now)
        case _:
            assert_never(given)


def channels(comms: Comms, now: Callable[[], datetime]) -> dict[str, Channel]:
    return {each.id: channel(each, now) for each in comms.channels}


def shipped(name: str) -> str:
    """A template of the runbook that comes with Watership. Raises BadInput."""
    place = resources.files("watership") / "runbooks" / RUNBOOK / name
    if not place.is_file():
        raise BadInput(f"No template {name} is shipped.", fix=f"Choose of: {', '.join(SHIPPED.values())}.")
    return place.read_text(encoding="utf-8")


def comms_of(plan: Plan | None, file: Path | None) -> Comms:
    """The comms of a file, else those of the plan. Raises NotFound where neither has any."""
    if file is not None:
        return spec.read(file)
    if plan is not None and plan.comms.channels:
        return plan.comms
    raise NotFound(
        "No channels are known: the plan has no comms.", fix="Name a file of them: --comms comms.yaml"
    )


def outbox(places: Places) -> OutboxFile:
    """The environment's outbox; close it."""
    places.releases.mkdir(parents=True, exist_ok=True)
    return OutboxFile(places.releases / "outbox.jsonl")


def looking(env: Environment, own: Runs, plan: Plan, *, incidents: Incidents | None = None) -> Look:
    """How the situation of a release is found; `own` is the controller's own store."""

    async def signoffs() -> tuple[SignOff, ...]:
        return standing_signoffs((), await env.records.all(plan.release))

    async def told() -> tuple[Incident, ...]:
        return tuple(map(as_told, await incidents.all())) if incidents is not None else ()

    return find.looking(
        plan,
        signoffs,
        runs=own,
        snapshots=env.snapshots,
        clock=env.clock,
        minute=LastMinute(env.metrics, env.router, env.clock),
        pages=Pages(env.audit, PAGES).entries,
        incidents=told,
        team=seats(plan),
    )


def seats(plan: Plan) -> tuple[Seat, ...]:
    """Who sits where, as far as somebody is named."""
    people = {contact.seat: contact.person for contact in plan.contacts}
    return tuple(
        Seat(role=role.title, person=people.get(role.id, "")) for role in plan.roles if people.get(role.id)
    )


def as_told(incident: incidents_.Incident) -> Incident:
    """An incident as messages need it."""
    return Incident(
        id=incident.id,
        priority=PRIORITIES[incident.severity],
        title=incident.opening.title,
        opened_at=incident.opened_at,
        opened_by=incident.opened_by,
        symptoms=(incident.opening.symptom,),
        closed_at=incident.ended_at,
        resolution=incident.resolution,
    )


class Pages:
    """The entries of the audit that somebody looks for; read anew only when something was appended."""

    def __init__(self, audit: Audit, actions: Container[str]) -> None:
        self._audit = audit
        self._actions = actions
        self._head: object = object()
        self._found: tuple[Entry, ...] = ()

    def entries(self) -> tuple[Entry, ...]:
        head = getattr(self._audit, "head", None)
        if head is None or head != self._head:
            self._found = tuple(entry for entry in self._audit.entries() if entry.action in self._actions)
            self._head = head
        return self._found


class Telling:
    """A companion: people are told of the release while it runs, and what is pending at its end gets a moment more."""

    def __init__(
        self,
        env: Environment,
        own: Runs,
        plan: Plan,
        *,
        incidents: Incidents,
        places: Places,
        observer: Observer,
    ) -> None:
        self._box = outbox(places)
        deliverer = Deliverer(
            outbox=self._box, channels=channels(plan.comms, env.clock.now), audit=env.audit, clock=env.clock
        )
        self._messenger = Messenger(
            comms=plan.comms,
            look=looking(env, own, plan, incidents=incidents),
            outbox=self._box,
            deliverer=deliverer,
            audit=env.audit,
            clock=env.clock,
            observer=observer,
        )
        self._comms = plan.comms
        self._clock = env.clock
        self._release = plan.release

    async def run(self) -> None:
        try:
            await self._messenger.run()
        finally:
            self._box.close()

    async def finish(self) -> None:
        await self._messenger.finish(FINISH_SECONDS)

    async def escalate(self, incident: incidents_.Incident, due: Due) -> None:
        """Have a level told: by its own channel, which bears the seat's name, and by those of incidents.

        Raises Unavailable where there is no channel: nobody was told then.
        """
        to = escalating(self._comms, due.seat)
        if not to:
            raise Unavailable(f"There is no channel by which {due.seat} could be told.")
        self._box.put(escalation(incident, due, self._release, self._clock.now()), to, self._clock.now())


def escalating(comms: Comms, seat: str) -> tuple[str, ...]:
    """The channels by which a seat is told of an incident."""
    own = [channel.id for channel in comms.channels if channel.id == seat.replace("_", "-")]
    return tuple(dict.fromkeys([*own, *(each for sending in comms.of("incident") for each in sending.to)]))


def escalation(incident: incidents_.Incident, due: Due, release: str, now: datetime) -> Message:
    """What a level is told: the incident, why it is asked, and what it may do."""
    powers = "".join(f"- {plain_words(power)}\n" for power in due.powers)
    return Message(
        id=f"escalation/{incident.id}/{due.level}/{due.at:%Y-%m-%dT%H:%M:%SZ}",
        kind="incident",
        release=release,
        at=now,
        thread=f"incident/{incident.id}",
        subject=f"[{incident.severity.upper()}] {incident.id}: {due.title} is asked",
        text=f"**{plain_words(incident.opening.title)}**: {plain_words(incident.opening.symptom)}\n\n"
        f"{plain_words(due.title)} is asked because {plain_words(due.because)}. They may:\n\n{powers}\n"
        f"Take it on: `watership incident update --acknowledge --of {incident.id}`\n",
        title=incident.opening.title,
        priority=PRIORITIES[incident.severity],
    )
