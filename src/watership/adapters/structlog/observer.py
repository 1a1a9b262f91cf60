"""An observer that writes a line per event: when, how bad, what, and the facts."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import msgspec

from watership.durable.ports import Observer
from watership.durable.scrubbing import scrub
from watership.errors import WatershipError

Line = dict[str, Any]
Level = Literal["debug", "info", "warning", "error"]
Form = Literal["auto", "console", "json"]

LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

SECRET_WORDS: Final = ("secret", "token", "password", "authorization", "cookie", "api_key")
"""A fact whose name ends so is masked, whoever forgot that facts are never secrets."""

LARGE: Final = 2**63
"""An integer that not every reader of JSON takes for a number; it is written as text."""

PER_RUN: Final = frozenset({"run claimed", "run left"})
"""Said of every run, thousands of times a second; its end has a line of its own."""

FACT_CHARACTERS: Final = 2_000
"""Of one fact: a log line is for reading, payloads are in the journal."""


_encoder = msgspec.json.Encoder()


class StructlogObserver:
    """Writes to `stream` (stderr: stdout is for data)."""

    def __init__(self, *, form: Form = "auto", level: Level = "info", stream: TextIO | None = None) -> None:
        self._out = stream or sys.stderr
        pretty = form == "console" or (form == "auto" and self._out.isatty())
        self._write: Callable[[Line], str] = _columns(colors=self._out.isatty()) if pretty else _json
        self._least = LEVELS[level]

    def note(self, event: str, **facts: object) -> None:
        level = level_of(event, facts)
        if LEVELS[level] >= self._least:
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            line = {"timestamp": now, "level": level, "event": event} | _plain(facts)
            # The whole line once more: a traceback shows what its exceptions say.
            self._out.write(scrub(self._write(line)) + "\n")
            self._out.flush()


class Fanout:
    """Tells several observers."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def note(self, event: str, **facts: object) -> None:
        for observer in self._observers:
            observer.note(event, **facts)


def level_of(event: str, facts: Mapping[str, object]) -> Level:
    """How important an event is, by its name and facts."""
    if event == "http request":
        code = facts.get("code")
        return "warning" if isinstance(code, int) and code >= 500 else "debug"
    if event == "cache read":
        return "debug"
    if isinstance(facts.get("error"), BaseException) and not isinstance(facts["error"], WatershipError):
        return "error"
    if event in PER_RUN:
        return "debug"
    if "error" in facts or event == "run stopped" or event.endswith(("failed", "lost", "refused")):
        return "warning"
    return "info"


def _columns(*, colors: bool) -> Callable[[Line], str]:
    """For people. The library is loaded for them alone: with what it brings along it takes a tenth of a second."""
    import structlog

    renderer = structlog.dev.ConsoleRenderer(colors=colors)
    return lambda line: str(renderer(None, line["level"], line))


def _json(line: Line) -> str:
    """For machines. Nothing of it can fail: what is no text or number was made text before."""
    error = line.pop("exc_info", None)
    if error is not None:
        line["exception"] = "".join(traceback.format_exception(error)).rstrip()
    return _encoder.encode(line).decode()


def _plain(facts: Mapping[str, object]) -> Line:
    """Facts as text and numbers; an exception keeps its traceback; what is named like a secret is masked."""
    plain: Line = {}
    for name, value in facts.items():
        if name.lower().endswith(SECRET_WORDS):
            plain[name] = "***"
        elif isinstance(value, BaseException):
            plain[name] = _text(f"{type(value).__name__}: {value}")
            if not isinstance(value, WatershipError):
                plain["exc_info"] = value
        elif isinstance(value, bool | float | None) or (isinstance(value, int) and abs(value) < LARGE):
            plain[name] = value
        else:
            plain[name] = _text(value)
    return plain


def _text(value: object) -> str:
    """Half of a surrogate pair cannot be written, and must not cost the line."""
    text = scrub(str(value))[:FACT_CHARACTERS]
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
