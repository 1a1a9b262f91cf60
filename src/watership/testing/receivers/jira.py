"""A stand-in for Jira: the comments of one ticket, by REST v2 (text) and v3 (documents)."""

from __future__ import annotations

import base64
import re
from typing import Any, ClassVar, Final

from watership.testing.receivers.receiver import Answer, Receiver, Request, path_of

TICKET: Final = "REL-1"
TOKEN: Final = "the token of a Jira that is none"  # noqa: S105 - of a test
COMMENTS: Final = re.compile(r"/rest/api/([23])/issue/([A-Z][A-Z0-9_]*-[0-9]+)/comment")


class JiraReceiver(Receiver):
    """`comments` is what stands under `ticket`. With a `user` it asks for Basic, without for Bearer."""

    name: ClassVar[str] = "jira"

    def __init__(self, ticket: str = TICKET, *, user: str | None = None, token: str = TOKEN) -> None:
        super().__init__()
        self.ticket = ticket
        self.comments: list[dict[str, Any]] = []
        pair = base64.b64encode(f"{user}:{token}".encode()).decode()
        self._authorization = f"Bearer {token}" if user is None else f"Basic {pair}"

    def shown(self, version: str) -> list[dict[str, Any]]:
        """What was written under the ticket, the newest first, as that version of the API shows it."""
        form = _document if version == "3" else _text
        return [comment | {"body": form(comment["body"])} for comment in reversed(self.comments)]

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != self._authorization:
            return _refused(401, "Client must be authenticated to access this resource.")
        found = COMMENTS.fullmatch(path_of(request))
        if found is None or found[2] != self.ticket:
            return _refused(404, "Issue does not exist or you do not have permission to see it.")
        if request.method == "GET":
            newest = self.shown(found[1])
            body = {"startAt": 0, "maxResults": 50, "total": len(newest), "comments": newest[:50]}
            return Answer(status=200, body=body, keep=False)
        body_given = request.body.get("body")
        if not (_is_document(body_given) if found[1] == "3" else isinstance(body_given, str) and body_given):
            return _refused(400, "Comment body is not valid!")
        comment = {"id": str(10_000 + len(self.comments)), "body": body_given}
        self.comments.append(comment)
        return Answer(status=201, body=comment)


def _is_document(body: object) -> bool:
    match body:
        case {"type": "doc", "version": 1, "content": [_, *_] as content}:
            return all(isinstance(node, dict) and "type" in node for node in content)
    return False


def _document(body: Any) -> Any:
    """A comment as a document, which it is, or becomes: a paragraph for each line, escapes of the wiki read."""
    if not isinstance(body, str):
        return body
    lines = [re.sub(r"\\([{\[])", r"\1", line) for line in body.split("\n") if line]
    paragraphs = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines]
    return {"type": "doc", "version": 1, "content": paragraphs}


def _text(body: Any) -> str:
    """A comment as text."""
    if isinstance(body, str):
        return body
    if body.get("type") in ("text", "hardBreak"):
        return str(body.get("text", "\n"))
    between = "\n\n" if body.get("type") == "doc" else ""
    return between.join(map(_text, body.get("content", ())))


def _refused(status: int, problem: str) -> Answer:
    return Answer(status=status, body={"errorMessages": [problem], "errors": {}}, problem=problem)
