"""An observer that writes a line per event: when, how bad, what, and the facts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

from watership.durable.ports import Observer
from watership.errors import WatershipError

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

FACT_CHARACTERS: Final = 2_000
"""Of one fact: a log line is for reading, payloads are in the journal."""


class StructlogObserver:
    """Writes to `stream` (stderr: stdout is for data)."""

    def __init__(self, *, form: Form = "auto", level: Level = "info", stream: TextIO | None = None) -> None:
        out = stream or sys.stderr
        pretty = form == "console" or (form == "auto" and out.isatty())
        renderers: list[Any] = (
            [structlog.dev.ConsoleRenderer(colors=out.isatty())]
            if pretty
            else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        )
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(out),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _plain,
                _first_things_first,
                *renderers,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        )
        self._least = LEVELS[level]

    def note(self, event: str, **facts: object) -> None:
        level = level_of(event, facts)
        if LEVELS[level] >= self._least:
            getattr(self._log, level)(event, **facts)


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
    if isinstance(facts.get("error"), BaseException) and not isinstance(facts["error"], WatershipError):
        return "error"
    if "error" in facts or event == "run stopped" or event.endswith(("failed", "lost", "refused")):
        return "warning"
    return "info"


def _first_things_first(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What people look for stands where they look."""
    first = {name: line.pop(name) for name in ("timestamp", "level", "event") if name in line}
    return {**first, **line}


def _plain(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Facts as text and numbers; an exception keeps its traceback; what is named like a secret is masked."""
    for name, value in list(line.items()):
        if name.lower().endswith(SECRET_WORDS):
            line[name] = "***"
        elif isinstance(value, BaseException):
            line[name] = f"{type(value).__name__}: {value}"
            if not isinstance(value, WatershipError):
                line["exc_info"] = value
        elif not isinstance(value, bool | int | float | None):
            line[name] = str(value)[:FACT_CHARACTERS]
    return line
