"""A page for one person and one question: plain HTML, with a form and without a script, a style or a picture."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from watership.agents.messages import Answered
from watership.agents.people.links import Shown
from watership.agents.people.question import APPROVAL, Question
from watership.api.answer import Answer
from watership.api.problems import TITLES, status_of
from watership.durable.run import Waiting
from watership.errors import BadInput, WatershipError

LINK_PATH: Final = "/answer/{token}"

HTML: Final = "text/html; charset=utf-8"

HEADERS: Final[Mapping[str, str]] = {
    # Nothing is loaded and nothing runs; the form goes to where it came from, and no other page shows this one.
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # The address is the proof of who answers.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}

FIELDS: Final = frozenset({"granted", "note", "value", "text"})


def asked_page(shown: Shown) -> Answer:
    """What is asked, with the form that answers it; or what became of it."""
    name = escape(shown.link.identity.person)
    if shown.question is None or shown.waiting is None:
        by = shown.answered_by
        words = (
            f"It was answered by {escape(by)}." if by else "It is not asked any more, and nobody answered it."
        )
        return page("This question is closed", f"<p>{words}</p>")
    due = shown.waiting.due
    until = f"<p>It is to be answered by {escape(due.isoformat(timespec='minutes'))}.</p>" if due else ""
    again = f"<p><strong>{escape(shown.question.again)}</strong></p>" if shown.question.again else ""
    body = (
        f"<p>The agent {escape(shown.run.program)} asks; you answer as <strong>{name}</strong>.</p>"
        f"{again}{_details(shown.question)}{until}"
        f'<form method="post">{_form(shown.waiting, shown.question)}</form>'
        f"<p><small>Run {escape(shown.run.id)}, {escape(shown.waiting.key)}, seen {escape(shown.link.seen)}</small></p>"
    )
    return page(shown.question.question, body)


def answered_page(answered: Answered) -> Answer:
    """Whose answer stands."""
    if answered.existing:
        return page(
            "It was answered before", f"<p>The answer of {escape(answered.by)} stands: it was the same.</p>"
        )
    return page(
        "Thank you", f"<p>The answer of {escape(answered.by)} was taken. You may close this page.</p>"
    )


def problem_page(error: WatershipError) -> Answer:
    """Why not, and what mends it."""
    status = status_of(error)
    fix = f"<p>{escape(error.fix)}</p>" if error.fix else ""
    body = f"<p>{escape(error.message)}</p>{fix}<p><small>{escape(error.code)}</small></p>"
    return page(TITLES.get(status, "It was refused"), body, status)


def page(title: str, body: str, status: int = 200) -> Answer:
    """`title` is text, `body` is HTML."""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return Answer(text.encode(), status, HEADERS, media=HTML)


def form_value(body: bytes) -> msgspec.Raw:
    """The answer in a form that was sent. Raises BadInput."""
    try:
        given = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise BadInput("The form cannot be read.") from None
    fields = dict(given)
    if len(fields) < len(given) or not fields.keys() <= FIELDS:
        raise BadInput("The form is not the one that was shown.")
    match fields:
        case {"granted": ("true" | "false") as granted}:
            answer = {"granted": granted == "true", "note": fields.get("note", "").strip()}
            return msgspec.Raw(msgspec.json.encode(answer))
        case {"text": text}:
            return msgspec.Raw(msgspec.json.encode(text))
        case {"value": value}:
            return _json(value)
        case _:
            raise BadInput("The form holds no answer.", fix="Go back, and choose one.")


def _json(text: str) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(msgspec.json.decode(text)))
    except msgspec.DecodeError as error:
        raise BadInput(
            f"The answer is no JSON: {error}.", fix="Text stands in quotes; go back and mend it."
        ) from None


def _details(question: Question) -> str:
    if question.details is None:
        return ""
    text = msgspec.json.format(msgspec.json.encode(question.details), indent=2).decode()
    return f"<pre>{escape(text)}</pre>"


def _form(waiting: Waiting, question: Question) -> str:
    if waiting.name == APPROVAL:
        return (
            '<p><label>Note <br><textarea name="note" rows="3" cols="40"></textarea></label></p>'
            '<p><button name="granted" value="true">Approve</button> '
            '<button name="granted" value="false">Refuse</button></p>'
        )
    return _fields(question.answer or {}) + "<p><button>Answer</button></p>"


def _fields(schema: Mapping[str, Any]) -> str:
    """What fits the schema: a choice, a text, or any value as JSON."""
    if "enum" in schema:
        return "".join(_choice(each) for each in schema["enum"])
    if schema.get("type") == "string":
        return '<p><textarea name="text" rows="3" cols="40" required></textarea></p>'
    wanted = escape(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())
    return (
        '<p><label>The answer, as JSON<br><textarea name="value" rows="8" cols="60" required></textarea></label></p>'
        f"<details><summary>What it looks like (a JSON schema)</summary><pre>{wanted}</pre></details>"
    )


def _choice(value: object) -> str:
    told = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    given = escape(msgspec.json.encode(value).decode())
    return f'<p><label><input type="radio" name="value" value="{given}" required> {escape(told)}</label></p>'
