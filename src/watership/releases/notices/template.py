"""A template is Markdown under a subject; it can say what a situation holds, and nothing else.

    ---
    subject: "[{{ release.headline }}] {{ release.service }} {{ release.version }}"
    ---
    Error rate on next: {{ release.next.rate | percent if release.next else "not measured" }}

Whatever stands in `{{ … }}` comes out as plain words: Markdown in it is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.document import DocumentError, parse
from watership.releases.book.quantity import spoken
from watership.releases.notices.notice import SUBJECT_CHARS, TEXT_CHARS, Incident, Issue, Message, Notice
from watership.releases.notices.situation import Situation

TEMPLATE_BYTES = 64 * 1024
"""Of a template; a message is a page at most."""

TEMPLATES = 64
"""Subjects and bodies that are kept compiled: a release has a dozen."""

_FRONT = re.compile(r"\A---\n(?P<front>.*?\n)---\n(?P<body>.*)\Z", re.DOTALL)
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&=:])")


class Front(Struct, frozen=True, kw_only=True):
    """What stands above a template's text."""

    subject: str


class Parts(Struct, frozen=True, kw_only=True):
    """A template, taken apart. `body_line` is the line of the file on which the body begins."""

    subject: str
    subject_line: int
    body: str
    body_line: int


class Scene(Struct, frozen=True, kw_only=True):
    """The names that a template may use. `issue` is there in issue notices alone, `incident` in incident notices."""

    release: Situation
    now: datetime
    ends: bool
    next_update: datetime | None
    issue: Issue | None
    incident: Incident | None


def taken_apart(text: str, source: str = "template") -> Parts:
    """Raises DocumentError with the line."""
    if len(text.encode()) > TEMPLATE_BYTES:
        raise DocumentError(source, 1, f"longer than {TEMPLATE_BYTES:,} bytes")
    found = _FRONT.match(text.replace("\r\n", "\n"))
    if found is None:
        raise DocumentError(source, 1, "a template begins with its subject: '---', 'subject: …', '---'")
    try:
        front = parse(found["front"], Front, source=source)
    except DocumentError as error:
        raise DocumentError(source, error.line + 1, error.problem) from error
    above = found["front"].split("\n")
    subject_line = 2 + next(number for number, line in enumerate(above) if line.startswith("subject"))
    return Parts(
        subject=front.subject,
        subject_line=subject_line,
        body=found["body"],
        body_line=3 + found["front"].count("\n"),
    )


def compose(
    notice: Notice,
    situation: Situation,
    text: str,
    now: datetime,
    *,
    next_update: datetime | None = None,
    by: str = "",
) -> Message:
    """The notice in the template's words. Raises BadInput where they name what is not known."""
    parts = taken_apart(text, notice.template)
    scene = Scene(
        release=situation,
        now=now,
        ends=notice.ends,
        next_update=next_update,
        issue=notice.issue,
        incident=notice.incident,
    )
    subject, body = rendered(parts, scene, notice.template)
    return message(notice, situation, now, subject=subject, text=body, by=by)


def message(
    notice: Notice, situation: Situation | None, now: datetime, *, subject: str, text: str, by: str = ""
) -> Message:
    """A notice with its words, cut to what channels carry."""
    about = notice.issue or notice.incident
    if situation is not None and situation.rehearsal:
        subject = f"[REHEARSAL] {subject}"
    cut = "\n\n(The rest was cut.)"
    return Message(
        id=notice.id,
        kind=notice.kind,
        release=situation.name if situation else "",
        at=now,
        thread=notice.thread,
        subject=" ".join(subject.split())[:SUBJECT_CHARS],
        text=text if len(text) <= TEXT_CHARS else text[: TEXT_CHARS - len(cut)] + cut,
        title=about.title if about else "",
        priority=notice.priority,
        acknowledges=notice.acknowledges,
        ends=notice.ends,
        window=situation.window if situation else None,
        by=by,
    )


def unrendered(notice: Notice, situation: Situation, now: datetime, problem: str) -> Message:
    """What is sent when a template fails at the moment it is needed: the bare facts, and that it failed."""
    about = notice.issue or notice.incident
    headline = f"[{situation.headline}] {notice.kind}: {situation.service} {situation.version}"
    lines = [
        f"**{plain_words(about.title)}**" if about else f"**{plain_words(headline)}**",
        *(f"- {plain_words(symptom)}" for symptom in (about.symptoms if about else ())),
        "",
        f"Release {plain_words(situation.name)}: {plain_words(situation.access)}",
        "",
        f"The template {plain_words(notice.template)} could not be used: {plain_words(problem)}",
    ]
    return message(notice, situation, now, subject=headline, text="\n".join(lines))


def rendered(parts: Parts, scene: Scene, source: str) -> tuple[str, str]:
    """Subject and body. Raises DocumentError."""
    names = {name: getattr(scene, name) for name in scene.__struct_fields__}
    subject = _rendered(environment(), parts.subject, names, source, parts.subject_line)
    body = _rendered(escaping(), parts.body, names, source, parts.body_line)
    return subject, re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"


def _rendered(
    words: ImmutableSandboxedEnvironment, text: str, names: Mapping[str, object], source: str, line: int
) -> str:
    try:
        return _compiled(words, text).render(names)
    except TemplateSyntaxError as error:
        raise DocumentError(source, line + error.lineno - 1, error.message or "not a template") from error
    except (BadInput, TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise DocumentError(source, line + _line_in(error) - 1, str(error)) from error


@lru_cache(maxsize=TEMPLATES)
def _compiled(words: ImmutableSandboxedEnvironment, text: str) -> Template:
    return words.from_string(text)


def _line_in(error: BaseException) -> int:
    """The template's own line in a traceback."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def plain_words(value: object) -> str:
    """A value as words of one line, in which nothing is Markdown."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(str(value).split()))


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """For subjects: plain text."""
    return _filtered(ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False))


@cache
def escaping() -> ImmutableSandboxedEnvironment:
    """For bodies: Markdown around what is inserted."""
    return _filtered(
        ImmutableSandboxedEnvironment(
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_inserted,
        )
    )


def _inserted(value: object) -> object:
    if value is None:
        raise BadInput("A value is not known; say what stands in its place (`if … else`).")
    return value if isinstance(value, StrictUndefined) else plain_words(value)


def _filtered(words: ImmutableSandboxedEnvironment) -> ImmutableSandboxedEnvironment:
    words.filters |= {"utc": utc, "spoken": took, "percent": percent}
    return words


def utc(value: datetime) -> str:
    """`2026-11-29 10:15 UTC`."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def took(value: float) -> str:
    """Seconds as a person writes them."""
    return spoken(value) or "0s"


def percent(value: float) -> str:
    """A part of 1 as per cent."""
    return f"{100 * value:.2f} %"
