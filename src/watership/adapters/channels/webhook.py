"""Anybody who listens by Standard Webhooks: an id, a time, and a signature over both and the body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from watership.adapters.channels.exchange import exchange
from watership.adapters.channels.secrets import resolved
from watership.errors import BadInput
from watership.releases.notices import writing
from watership.releases.notices.comms import Webhook
from watership.releases.notices.notice import Message


class WebhookChannel:
    """`now` is the clock that signatures are dated by."""

    def __init__(self, spec: Webhook, now: Callable[[], datetime]) -> None:
        self._spec = spec
        self._now = now

    @property
    def timeout(self) -> float:
        return self._spec.timeout

    async def send(self, message: Message) -> str:
        body = payload(f"watership.notice.{message.kind}", message.at, data(message))
        identity = webhook_id(message.id)
        headers = signed(identity, self._now(), body, resolved(self._spec.secret))
        answer = await exchange("POST", resolved(self._spec.url), body, headers=headers, timeout=self.timeout)
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


def signed(identity: str, at: datetime, body: bytes, secret: str) -> dict[str, str]:
    """The three headers of Standard Webhooks 1.0, signed by HMAC-SHA256. Raises BadInput for what is no secret."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("A webhook's secret is base64 after 'whsec_'.") from None
    seconds = str(int(at.timestamp()))
    signature = hmac.new(key, f"{identity}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": identity,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
