"""The messages of a release: channels made of what the plan says, the outbox, and the messenger beside a controller."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
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
from watership.adapters.files.secrets import ReferredSecrets
from watership.durable.clock import SystemClock
from watership.durable.ports import Observer, Runs
from watership.errors import BadInput, NotFound
from watership.releases.auditing.audit import Audit, Entry
from watership.releases.book.system import Secrets
from watership.releases.complaints import Complaints
from watership.releases.environment import Environment
from watership.releases.incidents.incident import Incidents
from watership.releases.incidents.response import Tell
from watership.releases.notices import comms as spec
from watership.releases.notices import looking as find
from watership.releases.notices.comms import Comms
from watership.releases.notices.deliverer import WHO, Channel, Deliverer
from watership.releases.notices.issues import PAGES
from watership.releases.notices.messenger import Look, Messenger
from watership.releases.notices.minute import LastMinute
from watership.releases.notices.notice import Kind
from watership.releases.notices.outbox import Outbox
from watership.releases.notices.trouble import Escalating
from watership.releases.plan import Plan
from watership.wiring.environment import Places

BOOK = "agent-orchestrator"
"""The shipped runbook whose templates stand in for those that comms do not bring."""

SHIPPED: Mapping[Kind, str] = {
    "announce": "comms/announce.md",
    "approval": "comms/approvals.md",
    "decision": "comms/decision.md",
    "status": "comms/status.md",
    "issue": "comms/issue.md",
    "rollback": "comms/rollback.md",
    "success": "comms/success.md",
    "incident": "comms/incident.md",
}
"""The templates that come with Watership, for comms that name none of their own."""


def channel(given: spec.Channel, secrets: Secrets, now: Callable[[], datetime]) -> Channel:
    """What sends through the channel that is described."""
    match given:
        case spec.Slack():
            return SlackChannel(given, secrets)
        case spec.Email():
            return MailChannel(given, secrets)
        case spec.PagerDuty():
            return PagerDutyChannel(given, secrets)
        case spec.Statuspage():
            return StatuspageChannel(given, secrets)
        case spec.Webhook():
            return WebhookChannel(given, secrets, now)
        case spec.Jira():
            return JiraChannel(given, secrets)
        case spec.Voice():
            return VoiceChannel(given, secrets, now)
        case _:
            assert_never(given)


def channels(comms: Comms, now: Callable[[], datetime]) -> dict[str, Channel]:
    secrets = ReferredSecrets(Path.cwd(), os.environ)
    return {each.id: channel(each, secrets, now) for each in comms.channels}


def shipped(name: str) -> str:
    """A template of the runbook that comes with Watership. Raises BadInput."""
    place = resources.files("watership") / "runbooks" / BOOK / name
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


def looking(env: Environment, own: Runs, incidents: Incidents, plan: Plan) -> Look:
    """How the situation of a release is found; `own` is the controller's own store."""
    return find.looking(
        plan,
        runs=own,
        records=env.records,
        snapshots=env.snapshots,
        incidents=incidents,
        clock=env.clock,
        minute=LastMinute(env.metrics, env.router, env.clock),
        pages=Pages(env.audit, PAGES).entries,
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


def complaints_of(env: Environment, observer: Observer) -> Complaints:
    """The messenger's own."""
    return Complaints(WHO, audit=env.audit, clock=env.clock, observer=observer)


@dataclass(frozen=True, slots=True)
class Press:
    """Who tells people of one release: the messenger, a companion of it, and how a level of an escalation is told."""

    messenger: Messenger
    tell: Tell


def press(
    env: Environment,
    own: Runs,
    incidents: Incidents,
    *,
    box: Outbox,
    comms: Comms,
    plan: Plan,
    observer: Observer,
) -> Press:
    """Made of what the plan says. What is due is told by the release's calendar; receivers are asked, and signatures
    dated, by the machine's, which no rehearsal leaps with."""
    machine, look = SystemClock(), looking(env, own, incidents, plan)
    deliverer = Deliverer(outbox=box, channels=channels(comms, machine.now), audit=env.audit, clock=machine)
    messenger = Messenger(
        comms=comms,
        look=look,
        outbox=box,
        deliverer=deliverer,
        audit=env.audit,
        clock=env.clock,
        complaints=complaints_of(env, observer),
    )
    escalating = Escalating(comms=comms, look=look, outbox=box, audit=env.audit, clock=env.clock)
    return Press(messenger, escalating.tell)
