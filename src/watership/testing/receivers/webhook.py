"""A stand-in for whoever listens by Standard Webhooks, and for gateways that send SMS and place calls."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Final

from watership.testing.receivers.receiver import Answer, Receiver, Request

SECRET: Final = "whsec_" + base64.b64encode(b"a stand-in's secret, 32 bytes...").decode()
TOLERANCE_SECONDS: Final = 300.0


class WebhookReceiver(Receiver):
    """Verifies id, time and signature. A repeated id is acknowledged and counted in `repeats`, not received anew.

    `now`: Unix time by which a message may be five minutes old; the machine's unless given.
    """

    name: ClassVar[str] = "webhook"

    def __init__(self, secret: str = SECRET, *, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.secret = secret
        self.repeats = 0
        self._now = now
        self._seen: set[str] = set()

    @property
    def url(self) -> str:
        return f"{self.base}/hook"

    def answer(self, request: Request) -> Answer:
        problem = self._problem(request)
        if problem:
            return Answer(
                status=401 if "signature" in problem else 400, body={"error": problem}, problem=problem
            )
        identity = request.headers["webhook-id"]
        if identity in self._seen:
            self.repeats += 1
            return Answer(status=200, body={}, keep=False)
        self._seen.add(identity)
        return Answer(status=200, body={})

    def _problem(self, request: Request) -> str:
        headers = request.headers
        lacking = [name for name in ("id", "timestamp", "signature") if not headers.get(f"webhook-{name}")]
        if lacking:
            return f"without webhook-{lacking[0]}"
        if "." in headers["webhook-id"]:
            return "webhook-id holds a full stop"
        if not headers["webhook-timestamp"].isdecimal():
            return "webhook-timestamp is no Unix time"
        if abs(self._now() - int(headers["webhook-timestamp"])) > TOLERANCE_SECONDS:
            return "webhook-timestamp is too far away"
        if not self._signed(request):
            return "no signature matches"
        return _payload_problem(request)

    def _signed(self, request: Request) -> bool:
        headers = request.headers
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.raw
        right = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        given = headers["webhook-signature"].split(" ")
        return any(hmac.compare_digest(each, f"v1,{right}") for each in given)


def _payload_problem(request: Request) -> str:
    """The payload that the specification proposes: type, timestamp, data."""
    if not isinstance(request.body.get("type"), str) or not isinstance(request.body.get("data"), dict):
        return "the payload lacks type or data"
    try:
        datetime.fromisoformat(str(request.body.get("timestamp")))
    except ValueError:
        return "the payload's timestamp is no time"
    return ""
