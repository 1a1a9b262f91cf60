"""Anybody who listens by Standard Webhooks: an id, a time, and a signature over both and the body."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from watership.adapters.channels.exchange import exchange
from watership.adapters.channels.secrets import Resolved
from watership.releases.book.system import Secrets
from watership.releases.notices import writing
from watership.releases.notices.comms import Webhook
from watership.releases.notices.notice import Message
from watership.releases.notices.signing import signed


class WebhookChannel:
    """`now` is the clock that signatures are dated by."""

    def __init__(self, spec: Webhook, secrets: Secrets, now: Callable[[], datetime]) -> None:
        self._spec = spec
        self._resolved = Resolved(secrets)
        self._now = now

    @property
    def timeout(self) -> float:
        return self._spec.timeout

    async def send(self, message: Message) -> str:
        body = payload(f"watership.notice.{message.kind}", message.at, data(message))
        identity = webhook_id(message.id)
        headers = signed(identity, self._now(), body, self._resolved(self._spec.secret))
        answer = await exchange(
            "POST", self._resolved(self._spec.url), body, headers=headers, timeout=self.timeout
        )
        return f"answered {answer.status}, webhook-id {identity}"


def data(message: Message) -> Mapping[str, object]:
    """What a program may want of a message."""
    return {
        "id": message.id,
        "kind": message.kind,
        "release": message.release,
        "thread": message.thread,
        "priority": message.priority,
        "ends": message.ends,
        "subject": message.subject,
        "text": writing.plain(message.text),
    }


def payload(kind: str, at: datetime, content: Mapping[str, object]) -> bytes:
    """The payload that the specification proposes."""
    return msgspec.json.encode({"type": kind, "timestamp": at, "data": content})


def webhook_id(name: str) -> str:
    """The same for the same notice, however often it is sent. It holds no full stop: those part what is signed."""
    return f"msg_{hashlib.sha256(name.encode()).hexdigest()[:32]}"
