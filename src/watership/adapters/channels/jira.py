"""Jira: each message is a comment under the release's ticket."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from watership.adapters.channels.exchange import exchange
from watership.adapters.channels.secrets import Resolved
from watership.releases.book.system import Secrets
from watership.releases.notices import writing
from watership.releases.notices.comms import Jira
from watership.releases.notices.notice import Message

BODY_CHARS = 30_000
"""Jira takes 32,767."""

RECENT = 50
"""Comments among which a repetition is looked for."""


class JiraChannel:
    """Looks for the notice's own line among the newest comments first: a repetition adds nothing."""

    def __init__(self, spec: Jira, secrets: Secrets) -> None:
        self._spec = spec
        self._resolved = Resolved(secrets)

    @property
    def timeout(self) -> float:
        return self._spec.timeout

    async def send(self, message: Message) -> str:
        mark = f"Notice {message.id}"
        recent = await self._ask("GET", f"?orderBy=-created&maxResults={RECENT}", None)
        for comment in recent.get("comments", []):
            if mark in _lines(comment.get("body")):
                return f"comment {comment.get('id')} says so already"
        text = f"{message.subject}\n\n{writing.plain(message.text)[:BODY_CHARS]}\n{mark}"
        body = {"body": document(text) if self._spec.version == "3" else wiki(text)}
        made = await self._ask("POST", "", body)
        return f"comment {made.get('id')} under {self._spec.ticket}"

    async def _ask(self, method: str, query: str, body: Mapping[str, object] | None) -> Any:
        base = self._resolved(self._spec.url).rstrip("/")
        answer = await exchange(
            method,
            f"{base}/rest/api/{self._spec.version}/issue/{self._spec.ticket}/comment{query}",
            body,
            headers={"authorization": self._authorization()},
            timeout=self.timeout,
        )
        return answer.json()

    def _authorization(self) -> str:
        token = self._resolved(self._spec.token)
        if self._spec.user is None:
            return f"Bearer {token}"
        return f"Basic {base64.b64encode(f'{self._resolved(self._spec.user)}:{token}'.encode()).decode()}"


def wiki(text: str) -> str:
    """Version 2 reads its own markup: macros and links that stand in the text are text."""
    return re.sub(r"([{\[])", r"\\\1", text)


def document(text: str) -> dict[str, object]:
    """Version 3 reads documents: a paragraph for each block, a break for each line."""
    paragraphs = [block.split("\n") for block in re.split(r"\n{2,}", text.strip())]
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": _broken(lines)} for lines in paragraphs],
    }


def _broken(lines: list[str]) -> list[dict[str, str]]:
    nodes: list[dict[str, str]] = []
    for line in filter(None, lines):
        nodes += [{"type": "hardBreak"}] if nodes else []
        nodes.append({"type": "text", "text": line})
    return nodes


def _lines(body: object) -> list[str]:
    """The lines of a comment of either version."""
    if isinstance(body, str):
        return [line.strip() for line in body.replace("\\", "").splitlines()]
    text = msgspec.json.encode(body).decode()
    return re.findall(r'"text":"((?:[^"\\]|\\.)*)"', text)
