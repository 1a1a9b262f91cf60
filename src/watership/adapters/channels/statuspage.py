"""Atlassian Statuspage: a release is a scheduled maintenance, what goes wrong is an incident."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from watership.adapters.channels.exchange import exchange
from watership.adapters.channels.secrets import Resolved
from watership.releases.book.system import Secrets
from watership.releases.notices import writing
from watership.releases.notices.comms import Statuspage
from watership.releases.notices.notice import Message

BODY_CHARS = 25_000
"""What the page takes of one update."""

TROUBLE = frozenset({"issue", "incident"})
OURS = "watership"
"""The key of an entry's metadata under which its thread stands."""


class StatuspageChannel:
    """Finds the thread's entry by its metadata, and adds to it; where there is none it makes one.

    The API knows no idempotency keys: an update whose text is the newest there already is not repeated.
    """

    def __init__(self, spec: Statuspage, secrets: Secrets) -> None:
        self._spec = spec
        self._resolved = Resolved(secrets)

    @property
    def timeout(self) -> float:
        return self._spec.timeout

    async def send(self, message: Message) -> str:
        if message.kind == "test":
            await self._ask("GET", "/incidents", None)
            return "the page answers; the public was shown nothing"
        body = writing.plain(message.text)[:BODY_CHARS]
        shown = await self._find(thread_of(message))
        if shown is None:
            given = {**_opening(message), "body": body, "metadata": {OURS: {"thread": thread_of(message)}}}
            if self._spec.components:
                given["component_ids"] = list(self._spec.components)
            made = await self._ask("POST", "/incidents", {"incident": given})
            return f"entry {made.get('id')} made, {given['status']}"
        status = status_of(message, scheduled=bool(shown.get("scheduled_for")))
        newest: Mapping[str, Any] = next(iter(shown.get("incident_updates") or []), {})
        if newest.get("body") == body and newest.get("status") == status:
            return f"entry {shown['id']} says so already"
        await self._ask("PATCH", f"/incidents/{shown['id']}", {"incident": {"status": status, "body": body}})
        return f"entry {shown['id']} updated, {status}"

    async def _find(self, thread: str) -> Mapping[str, Any] | None:
        for entry in await self._ask("GET", "/incidents", None):
            metadata = entry.get("metadata") or {}
            if (metadata.get(OURS) or {}).get("thread") == thread:
                found: Mapping[str, Any] = entry
                return found
        return None

    async def _ask(self, method: str, path: str, body: Mapping[str, object] | None) -> Any:
        base = self._resolved(self._spec.url).rstrip("/")
        answer = await exchange(
            method,
            f"{base}/v1/pages/{quote(self._spec.page, safe='')}{path}",
            body,
            headers={"authorization": f"OAuth {self._resolved(self._spec.key)}"},
            timeout=self.timeout,
        )
        return answer.json()


def thread_of(message: Message) -> str:
    """All that is said of a release is one maintenance, its rollback too."""
    if message.kind in TROUBLE or not message.release:
        return message.thread
    return f"release/{message.release}"


def status_of(message: Message, *, scheduled: bool) -> str:
    """The API's word for where the entry stands."""
    if not scheduled:
        return "resolved" if message.ends else "identified" if message.acknowledges else "investigating"
    if message.ends:
        return "completed"
    early = message.window is not None and message.at < message.window.begins
    return "scheduled" if early else "in_progress"


def _opening(message: Message) -> dict[str, object]:
    scheduled = message.kind not in TROUBLE and message.window is not None
    given: dict[str, object] = {
        "name": message.title or message.subject,
        "status": status_of(message, scheduled=scheduled),
    }
    if scheduled and message.window is not None:
        begins, ends = message.window.begins, message.window.ends
        ends = max(ends, begins + timedelta(minutes=1))  # the page takes no empty window
        given |= {"scheduled_for": begins.isoformat(), "scheduled_until": ends.isoformat()}
    return given
