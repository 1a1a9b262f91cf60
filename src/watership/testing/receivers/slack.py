"""A stand-in for Slack's incoming webhooks."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from watership.testing.receivers.receiver import Answer, Receiver, Request, path_of

HOOK: Final = "/services/T00000000/B00000000/stand-in"
BLOCKS: Final = 50
SECTION_CHARS: Final = 3000
HEADER_CHARS: Final = 150


class SlackReceiver(Receiver):
    """Takes messages at one hook; others are unknown to it."""

    name: ClassVar[str] = "slack"

    @property
    def url(self) -> str:
        return self.base + HOOK

    def answer(self, request: Request) -> Answer:
        problem = self._problem(request)
        if problem:
            return Answer(status=404 if problem == "no_service" else 400, body=problem, problem=problem)
        return Answer(status=200, body="ok")

    def _problem(self, request: Request) -> str:
        if path_of(request) != HOOK:
            return "no_service"
        if request.method != "POST" or "json" not in request.headers.get("content-type", ""):
            return "invalid_payload"
        if not request.body:
            return "invalid_payload"
        text, blocks = request.body.get("text"), request.body.get("blocks")
        if not (isinstance(text, str) and text) and not blocks:
            return "no_text"
        if blocks is not None and not _blocks_fit(blocks):
            return "invalid_blocks"
        return ""


def _blocks_fit(blocks: Any) -> bool:
    return isinstance(blocks, list) and 0 < len(blocks) <= BLOCKS and all(map(_fits, blocks))


def _fits(block: Any) -> bool:
    match block:
        case {"type": "section", "text": {"type": "mrkdwn" | "plain_text", "text": str(text)}}:
            return 0 < len(text) <= SECTION_CHARS
        case {"type": "header", "text": {"type": "plain_text", "text": str(text)}}:
            return 0 < len(text) <= HEADER_CHARS
        case {"type": "context", "elements": list(elements)}:
            return 0 < len(elements) <= 10
        case {"type": "divider"}:
            return True
    return False
