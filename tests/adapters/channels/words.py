"""Messages to send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from watership.releases.notices.notice import Kind, Message, Window

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_message(kind: Kind = "status", identity: str = "status/2026-11-23T12:00Z", **more: Any) -> Message:
    given: dict[str, Any] = {
        "release": "2.1.0-1",
        "at": NOON,
        "thread": identity,
        "subject": "[IN PROGRESS] agent-orchestrator 2.1.0",
        "text": "**IN PROGRESS**\n\n- Traffic: 50 %\n- Error: \\<script\\>\n",
        "window": Window(begins=NOON, ends=NOON + timedelta(minutes=90)),
    }
    return Message(id=identity, kind=kind, **{**given, **more})
