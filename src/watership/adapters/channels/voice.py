"""SMS and calls through a gateway that listens by Standard Webhooks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from watership.adapters.channels.exchange import exchange
from watership.adapters.channels.secrets import Resolved
from watership.adapters.channels.webhook import payload, webhook_id
from watership.releases.book.system import Secrets
from watership.releases.notices.comms import Voice
from watership.releases.notices.notice import Message
from watership.releases.notices.signing import signed

SPOKEN_CHARS = 300
"""Two SMS; what is longer nobody listens to on the telephone."""


class VoiceChannel:
    """One request for each number. A number that had it is asked for again with the same id, should another fail."""

    def __init__(self, spec: Voice, secrets: Secrets, now: Callable[[], datetime]) -> None:
        self._spec = spec
        self._resolved = Resolved(secrets)
        self._now = now

    @property
    def timeout(self) -> float:
        return self._spec.timeout

    async def send(self, message: Message) -> str:
        url, secret = self._resolved(self._spec.url), self._resolved(self._spec.secret)
        for number, reference in enumerate(self._spec.to, 1):
            content = {
                "to": self._resolved(reference),
                "by": self._spec.by,
                "text": message.subject[:SPOKEN_CHARS],
                "priority": message.priority,
                "id": message.id,
            }
            body = payload(f"watership.{self._spec.by}", message.at, content)
            headers = signed(webhook_id(f"{message.id}#{number}"), self._now(), body, secret)
            await exchange("POST", url, body, headers=headers, timeout=self.timeout)
        return f"{self._spec.by} to {len(self._spec.to)} numbers taken by the gateway"
