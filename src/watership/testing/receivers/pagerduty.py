"""A stand-in for PagerDuty's Events API v2: it keeps incidents by their key, as the real one does."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from watership.testing.receivers.receiver import Answer, Receiver, Request, path_of

PATH: Final = "/v2/enqueue"
KEY: Final = "0123456789abcdef0123456789abcdef"
SEVERITIES: Final = ("critical", "error", "warning", "info")
SUMMARY_CHARS: Final = 1024
KEY_CHARS: Final = 255


class PagerDutyReceiver(Receiver):
    """`incidents` is the state of each by its dedup key: triggered, acknowledged or resolved."""

    name: ClassVar[str] = "pagerduty"

    def __init__(self, key: str = KEY) -> None:
        super().__init__()
        self.key = key
        self.incidents: dict[str, str] = {}

    @property
    def url(self) -> str:
        return self.base + PATH

    def answer(self, request: Request) -> Answer:
        if path_of(request) != PATH or request.method != "POST":
            return Answer(status=404, body={"error": "not found"}, problem="no such path")
        errors = self._errors(request)
        if errors:
            body = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            return Answer(status=400, body=body, problem="; ".join(errors))
        key = request.body.get("dedup_key") or f"given-{len(self.incidents) + 1}"
        self._move(str(key), str(request.body["event_action"]))
        body = {"status": "success", "message": "Event processed", "dedup_key": key}
        return Answer(status=202, body=body)

    def _move(self, key: str, action: str) -> None:
        state = self.incidents.get(key)
        match action:
            case "trigger" if state != "acknowledged":
                self.incidents[key] = "triggered"
            case "acknowledge" if state == "triggered":
                self.incidents[key] = "acknowledged"
            case "resolve" if state is not None:
                self.incidents[key] = "resolved"

    def _errors(self, request: Request) -> list[str]:
        body, errors = request.body, []
        if body.get("routing_key") != self.key:
            errors.append("'routing_key' is invalid")
        action, key = body.get("event_action"), body.get("dedup_key")
        if action not in ("trigger", "acknowledge", "resolve"):
            errors.append("'event_action' must be one of trigger, acknowledge, resolve")
        if key is not None and not (isinstance(key, str) and 0 < len(key) <= KEY_CHARS):
            errors.append("'dedup_key' must be a string of at most 255 characters")
        if key is None and action != "trigger":
            errors.append("'dedup_key' is missing or blank")
        return errors + (_payload_errors(body.get("payload")) if action == "trigger" else [])


def _payload_errors(payload: object) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    errors = [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not (isinstance(payload.get(name), str) and payload[name])
    ]
    if payload.get("severity") and payload["severity"] not in SEVERITIES:
        errors.append("'payload.severity' is invalid (must be one of critical, warning, error or info)")
    if len(str(payload.get("summary", ""))) > SUMMARY_CHARS:
        errors.append("'payload.summary' is longer than 1024 characters")
    if "timestamp" in payload:
        try:
            datetime.fromisoformat(str(payload["timestamp"]))
        except ValueError:
            errors.append("'payload.timestamp' is invalid")
    return errors
