"""The messages of a release: channels made of what the plan says, the outbox, and the messenger beside a controller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
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
from watership.durable.ports import Observer
from watership.errors import BadInput, NotFound
from watership.releases.audit import Entry
from watership.releases.notices import comms as spec
from watership.releases.notices import looking as find
from watership.releases.notices.comms import Comms, bound
from watership.releases.notices.deliverer import Channel, Deliverer
from watership.releases.notices.looking import Incidents
from watership.releases.notices.messenger import FINISH_SECONDS, Look, Messenger
from watership.releases.notices.minute import LastMinute
from watership.releases.notices.notice import Kind
from watership.releases.notices.situation import PAGES, Seat
from watership.releases.plan import Plan
from watership.releases.signoff import SignOff
from watership.wiring.controller import RUNBOOK, Desk
from watership.wiring.environment import Places

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
    found = getattr(plan, "comms", None)
    if isinstance(found, Comms) and found.channels:
        return found if found.texts else bound(found, shipped)
    raise NotFound(
        "No channels are known: the plan has no comms.", fix="Name a file of them: --comms comms.yaml"
    )


def outbox(places: Places) -> OutboxFile:
    """The environment's outbox; close it."""
    places.releases.mkdir(parents=True, exist_ok=True)
    return OutboxFile(places.releases / "outbox.jsonl")


def looking(
    desk: Desk,
    plan: Plan,
    signoffs: tuple[SignOff, ...],
    *,
    incidents: Incidents | None = None,
    team: tuple[Seat, ...] = (),
) -> Look:
    """How the situation of one of this desk's releases is found."""
    return find.looking(
        plan,
        signoffs,
        runs=desk.store,
        snapshots=desk.environment.snapshots,
        clock=desk.environment.clock,
        minute=LastMinute(desk.environment.metrics, desk.environment.router, desk.environment.clock),
        pages=_Pages(desk).entries,
        incidents=incidents,
        team=team,
    )


class _Pages:
    """The entries of the audit that people are paged for; read anew only when something was appended."""

    def __init__(self, desk: Desk) -> None:
        self._audit = desk.environment.audit
        self._head: object = object()
        self._found: tuple[Entry, ...] = ()

    def entries(self) -> tuple[Entry, ...]:
        head = getattr(self._audit, "head", None)
        if head is None or head != self._head:
            self._found = tuple(entry for entry in self._audit.entries() if entry.action in PAGES)
            self._head = head
        return self._found


@asynccontextmanager
async def telling(
    desk: Desk,
    plan: Plan,
    signoffs: tuple[SignOff, ...],
    comms: Comms,
    *,
    observer: Observer,
    incidents: Incidents | None = None,
    team: tuple[Seat, ...] = (),
    finish_seconds: float = FINISH_SECONDS,
) -> AsyncIterator[None]:
    """People are told of a release while the block runs; at its end what is pending gets a moment more.

    Nothing that goes wrong with it reaches the block.
    """
    environment = desk.environment
    if not comms.channels:
        yield
        return
    with outbox(desk.places) as box:
        deliverer = Deliverer(
            outbox=box,
            channels=channels(comms, environment.clock.now),
            audit=environment.audit,
            clock=environment.clock,
        )
        messenger = Messenger(
            comms=comms,
            look=looking(desk, plan, signoffs, incidents=incidents, team=team),
            outbox=box,
            deliverer=deliverer,
            audit=environment.audit,
            clock=environment.clock,
            observer=observer,
        )
        task = asyncio.create_task(messenger.run())
        try:
            yield
        finally:
            await messenger.finish(finish_seconds)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
