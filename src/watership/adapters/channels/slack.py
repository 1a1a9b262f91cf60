"""Slack by an incoming webhook."""

from __future__ import annotations

from collections.abc import Iterator

from watership.adapters.channels.exchange import exchange
from watership.adapters.channels.secrets import Resolved
from watership.releases.book.system import Secrets
from watership.releases.notices import writing
from watership.releases.notices.comms import Slack
from watership.releases.notices.notice import Message

# What Slack's blocks take; one character more is refused with `invalid_blocks`.
HEADER_CHARS = 150
SECTION_CHARS = 3000
SECTIONS = 40


class SlackChannel:
    """Writes blocks, with the subject as the text that notifications show."""

    def __init__(self, spec: Slack, secrets: Secrets) -> None:
        self._spec = spec
        self._resolved = Resolved(secrets)

    @property
    def timeout(self) -> float:
        return self._spec.timeout

    async def send(self, message: Message) -> str:
        await exchange("POST", self._resolved(self._spec.url), payload(message), timeout=self.timeout)
        return "Slack said ok"


def payload(message: Message) -> dict[str, object]:
    """What Slack is sent."""
    header = {"type": "plain_text", "text": message.subject[:HEADER_CHARS]}
    sections = [
        {"type": "section", "text": {"type": "mrkdwn", "text": part}}
        for part in list(parts(writing.slack(message.text)))[:SECTIONS]
    ]
    foot = {"type": "context", "elements": [{"type": "plain_text", "text": message.id[:HEADER_CHARS]}]}
    return {"text": message.subject, "blocks": [{"type": "header", "text": header}, *sections, foot]}


def parts(text: str) -> Iterator[str]:
    """Text in pieces that fit into a section, broken between lines where it can be."""
    piece = ""
    for whole in text.strip().split("\n"):
        line = whole
        while len(piece) + len(line) + 1 > SECTION_CHARS:
            if not piece:
                piece, line = line[:SECTION_CHARS], line[SECTION_CHARS:]
            yield piece
            piece = ""
        piece = f"{piece}\n{line}" if piece else line
    if piece.strip():
        yield piece
