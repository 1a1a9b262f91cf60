"""What a run waits for, in words for people, and what people answer, as the service takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from watership.errors import BadInput

Wait = Mapping[str, Any]

ANSWERED: Final = ("signal", "answer")
"""The kinds of waits that people answer."""


def answers(wait: Wait) -> str:
    """The words that answer a wait; empty for one that no person answers."""
    match wait["kind"], wait["name"]:
        case "answer", _:
            return "done --value JSON|retry|fail"
        case "signal", "approval":
            return "approve|reject"
        case "signal", _:
            return "JSON"
        case _:
            return ""


def waiting(wait: Wait) -> str:
    """A wait in a line: what kind, which, until when, and what it is about."""
    until = f", until {wait['due']}" if wait.get("due") else ""
    about = wait.get("about")
    may = about.get("may") if isinstance(about, dict) else None
    whom = f", for {_audience(may)}" if isinstance(may, dict) else ""
    told = f": {short(_words(about))}" if about not in (None, {}, "") else ""
    return f"{wait['kind']} {wait['name'] or wait['key']}{until}{whom}{told}"


def meant(waits: Sequence[Wait], named: str | None, *, doubt: bool) -> Wait | None:
    """The wait that an answer is meant for, if that is clear from here; the service says what is wrong otherwise."""
    there = [wait for wait in waits if wait["kind"] == ANSWERED[doubt]]
    found = [wait for wait in there if named is None or named in {wait["key"], wait["name"]}]
    return found[0] if len(found) == 1 else None


def as_answer(word: str, wait: str | None, value: str | None, note: str) -> dict[str, object]:
    """An answer as the service takes it, from the words of a command."""
    body: dict[str, object] = {} if wait is None else {"wait": wait}
    match word:
        case "approve" | "reject":
            return body | {"value": {"granted": word == "approve", "note": note}}
        case "done" | "retry" | "fail":
            if word == "done" and value is None:
                raise BadInput(
                    "done needs the step's result.", fix="--value JSON (null if it returns nothing)"
                )
            given: dict[str, object] = {} if value is None else {"value": _json(value)}
            return body | {"decision": word} | given
        case _:
            return body | {"value": json_or_text(word)}


def _json(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BadInput(f"{text!r} is no JSON: {error}.", fix="Text needs quotes: '\"like this\"'") from None


def json_or_text(text: str) -> object:
    """JSON where it is JSON, else the text itself; what begins like JSON and is none is refused."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        if text.lstrip().startswith(("{", "[")):
            raise BadInput(
                f"{text!r} is broken JSON: {error}.",
                fix="Text that begins so needs quotes: '\"[like] this\"'",
            ) from None
        return text


def short(value: Any) -> str:
    """Text as it is, and anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _words(about: Any) -> Any:
    """What is asked, without what is told beside it."""
    if not isinstance(about, dict):
        return about
    return {name: value for name, value in about.items() if name not in {"may", "level"}}


def _audience(may: Mapping[str, Any]) -> str:
    names = " or ".join(may.get("by") or ["whoever may write"])
    return names if may.get("requester", True) else f"{names} but not whoever started it"
