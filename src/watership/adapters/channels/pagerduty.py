"""PagerDuty by the Events API v2: one incident for each thread, resolved when the thread ends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from msgspec.structs import replace

from watership.adapters.channels.exchange import exchange
from watership.adapters.channels.secrets import Resolved
from watership.releases.book.system import Secrets
from watership.releases.notices import writing
from watership.releases.notices.comms import PagerDuty
from watership.releases.notices.notice import Message, Priority

SEVERITIES: dict[Priority | None, str] = {
    "CRITICAL": "critical",
    "HIGH": "error",
    "MEDIUM": "warning",
    None: "info",
}
# Bounds of the API: a longer summary is refused, as is a longer key; an event has 512 KB.
SUMMARY_CHARS = 1024
KEY_CHARS = 255
DETAIL_CHARS = 8000


class PagerDutyChannel:
    """The thread is the key by which repetitions are told from news. A test is resolved as soon as it is triggered."""

    def __init__(self, spec: PagerDuty, secrets: Secrets) -> None:
        self._spec = spec
        self._resolved = Resolved(secrets)

    @property
    def timeout(self) -> float:
        return self._spec.timeout

    async def send(self, message: Message) -> str:
        said = await self._enqueue(event(message, self._spec.source))
        if message.kind != "test":
            return said
        return f"{said}; {await self._enqueue(event(replace(message, ends=True), self._spec.source))}"

    async def _enqueue(self, given: Mapping[str, object]) -> str:
        body = {"routing_key": self._resolved(self._spec.routing_key), **given}
        await exchange("POST", self._resolved(self._spec.url), body, timeout=self.timeout)
        return f"{given['event_action']} accepted, dedup_key {given['dedup_key']}"


def event(message: Message, source: str) -> dict[str, object]:
    """What PagerDuty is sent, but for the key of the service."""
    action = "resolve" if message.ends else "acknowledge" if message.acknowledges else "trigger"
    named: dict[str, object] = {"event_action": action, "dedup_key": key(message.thread)}
    if action != "trigger":
        return named
    payload = {
        "summary": message.subject[:SUMMARY_CHARS],
        "source": source,
        "severity": SEVERITIES[message.priority],
        "timestamp": message.at.isoformat(),
        "component": message.release or "watership",
        "class": message.kind,
        "custom_details": {"notice": message.id, "text": writing.plain(message.text)[:DETAIL_CHARS]},
    }
    return {**named, "client": "watership", "payload": payload}


def key(thread: str) -> str:
    """The thread, or its digest where it is too long."""
    named = f"watership/{thread}"
    return named if len(named) <= KEY_CHARS else f"watership/{hashlib.sha256(thread.encode()).hexdigest()}"
