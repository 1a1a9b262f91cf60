"""What a run waits for, in words for people, and which wait an answer is meant for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

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
