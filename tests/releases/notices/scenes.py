"""Comms and situations to try things on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

from msgspec.structs import replace

from watership.releases.auditing.audit import Audit, Entry, Fact, Verified
from watership.releases.book.document import parse
from watership.releases.notices.comms import Comms, bound
from watership.releases.notices.lint import example
from watership.releases.notices.notice import Message, Notice, Window
from watership.releases.notices.schedule import due
from watership.releases.notices.situation import Situation

NOON = datetime(2026, 11, 29, 10, tzinfo=UTC)
"""T+0 of every release here."""

COMMS = """
channels:
  - { id: ops, kind: slack, url: env:SLACK }
  - { id: mail, kind: email, host: 127.0.0.1, security: none, sender: a@b.c, to: [team@b.c] }
  - { id: pager, kind: pagerduty, routing_key: env:PAGER }
send:
  - { on: T-24h, template: comms/announce.md, to: [mail, ops] }
  - { on: release.started, template: comms/status.md, to: [ops] }
  - { on: release.approved, template: comms/approvals.md, to: [mail] }
  - { every: 15m, while: running, template: comms/status.md, to: [ops, mail] }
  - { on: issue, template: comms/issue.md, to: [pager, ops] }
  - { on: rollback.started, template: comms/rollback.md, to: [pager, ops, mail] }
  - { on: release.done, template: comms/success.md, to: [ops, mail] }
  - { on: incident, template: comms/incident.md, to: [pager] }
"""


def shipped(name: str) -> str:
    book = resources.files("watership") / "runbooks" / "agent-orchestrator"
    return (book / name).read_text(encoding="utf-8")


def comms(text: str = COMMS) -> Comms:
    return bound(parse(text, Comms), shipped)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def running(**more: Any) -> Situation:
    """A release that began at T-24h and is in order."""
    plain: dict[str, Any] = {
        "name": "2.1.0-1",
        "stage": "running",
        "headline": "IN PROGRESS",
        "window": Window(begins=NOON, ends=at(90)),
        "began": NOON - timedelta(hours=24),
        "ended": None,
        "missing": (),
        "promoted": False,
        "rollback": None,
        "watch_until": None,
        "reason": "",
    }
    return replace(example(), **{**plain, **more})


class Told:
    """An outbox that only remembers: what was due is told."""

    def __init__(self, comms: Comms) -> None:
        self.comms = comms
        self.messages: dict[str, Message] = {}

    def look(
        self, situation: Situation, now: datetime, *, undelivered: frozenset[str] = frozenset()
    ) -> list[str]:
        found = due(self.comms, situation, self.messages, now, undelivered=undelivered)
        for notice in found:
            self.messages[notice.id] = remembered(notice)
        return [notice.id for notice in found]


def remembered(notice: Notice) -> Message:
    about = notice.issue or notice.incident
    return Message(
        id=notice.id,
        kind=notice.kind,
        release="2.1.0-1",
        at=notice.at,
        thread=notice.thread,
        subject="",
        text="",
        title=about.title if about else "",
        priority=notice.priority,
        ends=notice.ends,
    )


class AuditList:
    """An Audit in a list."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, dict[str, Fact]]] = []

    def append(self, actor: str, action: str, facts: Any) -> Entry:
        self.kept.append((action, dict(facts)))
        return Entry(number=len(self.kept), at=NOON, actor=actor, action=action, facts={}, previous="")

    def entries(self) -> list[Entry]:
        return []

    def verify(self, head: str | None = None) -> Verified:
        return Verified(len(self.kept), "")

    def actions(self) -> list[str]:
        return [action for action, _ in self.kept]


class NobodyAsks:
    """An Observer that keeps nothing."""

    def note(self, event: str, **facts: object) -> None: ...


def _is_audit(audit: AuditList) -> Audit:
    return audit
