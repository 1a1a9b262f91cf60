"""Reach: every gate and item is come to, in time, by some phase."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Final

from watership.releases.book.lint.place import Places, Step
from watership.releases.book.lint.question import CHECKLIST, DECIDED, SIGNOFFS, questions
from watership.releases.book.lint.remark import Remark, remark
from watership.releases.book.lint.stage import stages
from watership.releases.book.quantity import offset, spoken, written
from watership.releases.book.runbook import Check, Deploy, Phase, Runbook, Shift, Soak
from watership.releases.readiness.checklist import items_of

OF_PROCESSES: Final = ("http.", "smoke", "build.running")
"""How the names of checks begin that ask running processes."""


def remarks(book: Runbook, places: Places) -> Iterator[Remark]:
    for index, phase in enumerate(book.phases):
        yield from _late(index, phase, places)
        yield from _too_much(index, phase, places)
    yield from _gates(book, places)
    yield from _checklist(book, places)
    yield from _empty(book, places)
    yield from _conditions(book, places)
    yield from _early(book, places)


def _late(index: int, phase: Phase, places: Places) -> Iterator[Remark]:
    """Items whose moment lies outside of their phase, or before that of an item that comes first."""
    end, before = phase.at + phase.budget, phase.at
    for i, item in enumerate(phase.items):
        at = phase.at if item.at is None else item.at
        place = places.of("phases", index, "items", i, "at")
        if at > end:
            words = f"'{item.id}' is due at {_at(at)}; its phase '{phase.id}' is over at {_at(end)}"
            yield remark("warning", "after-its-phase", place, words)
        elif at < before:
            what = (
                f"its phase begins at {_at(phase.at)}"
                if at < phase.at
                else "what comes before it is due later"
            )
            yield remark("warning", "out-of-order", place, f"'{item.id}' is due at {_at(at)}, but {what}")
        before = max(before, at)


def _too_much(index: int, phase: Phase, places: Places) -> Iterator[Remark]:
    """Items that need more than all of their phase's budget."""
    for i, item in enumerate(phase.items):
        match item:
            case Soak(give_up=needed):
                key = "give_up"
            case Check(timeout=needed):
                key = "timeout"
            case _:
                continue
        if needed > phase.budget:
            words = (
                f"'{item.id}' may take {spoken(needed)}; the budget of '{phase.id}' is {spoken(phase.budget)}"
            )
            yield remark("warning", "over-budget", places.of("phases", index, "items", i, key), words)


def _gates(book: Runbook, places: Places) -> Iterator[Remark]:
    """Gates that no phase comes to."""
    soaks = [stage for stage in stages(book) if stage.share > 0]
    if not soaks:
        yield remark(
            "warning", "unreached-gate", places.of("gate"), "no phase soaks, so that the gate is never asked"
        )
    yield from _unjudged(book, places)
    asked = {item.check for phase in book.phases for item in phase.items if isinstance(item, Check)}
    if not book.signoffs.at_start and SIGNOFFS not in asked:
        words = f"the approvals are not needed at the start, and no phase has the check {SIGNOFFS}"
        yield remark("warning", "unreached-gate", places.of("signoffs"), words)
    if book.go_no_go and DECIDED not in asked:
        words = f"GO or NO-GO is to be decided, and no phase has the check {DECIDED}"
        yield remark("warning", "unreached-gate", places.of("go_no_go"), words)


def _unjudged(book: Runbook, places: Places) -> Iterator[Remark]:
    """A shift that raises next although nothing judged it at the share it has."""
    share, judged = 0.0, True
    for p, phase in enumerate(book.phases):
        for i, item in enumerate(phase.items):
            if isinstance(item, Soak):
                judged = True
            elif isinstance(item, Shift):
                if item.weight > share > 0 and not judged:
                    words = f"'{item.id}' raises next's share, and no soak judged it before"
                    yield remark("warning", "unjudged-shift", places.of("phases", p, "items", i), words)
                share, judged = item.weight, False


def _checklist(book: Runbook, places: Places) -> Iterator[Remark]:
    """Items that are due when nobody asks for them any more, or before anybody can."""
    begin = book.phases[0].at
    asked = [at for at in _asked(book) if at is not None]
    for s, section in enumerate(book.checklist):
        for i, item in enumerate(section.items):
            place = places.of("checklist", s, "items", i, "by")
            if not asked or item.by > max(asked):
                words = f"'{item.id}' is due at {_at(item.by)}, and no phase asks for what is due then"
                yield remark("warning", "unreached-item", place, words)
            elif item.by < begin:
                words = f"'{item.id}' is due at {_at(item.by)}; the first phase begins at {_at(begin)}"
                yield remark("warning", "out-of-order", place, words)


def _empty(book: Runbook, places: Places) -> Iterator[Remark]:
    """Gates and conditions that ask for nothing: nothing is never passed, so that no release would get beyond them."""
    first = min((item.by for item in items_of(book.checklist)), default=inf)
    for p, phase in enumerate(book.phases):
        for i, item in enumerate(phase.items):
            place = places.of("phases", p, "items", i, "check")
            match item:
                case Check(check=kind, parameters={"by": str(by)}) if kind == CHECKLIST:
                    if (at := _offset(by)) is not None and at < first:
                        words = f"'{item.id}' asks for what is due by {by}, and nothing of the checklist is"
                        yield remark("error", "empty-gate", place, words)
                case Check(check=kind) if kind == DECIDED and not book.go_no_go:
                    words = f"'{item.id}' asks for a GO, and no condition of one is stated"
                    yield remark("error", "empty-gate", place, words)
                case _:
                    pass
    for index, condition in enumerate(book.go_no_go):
        if condition.judged_by == "checklist" and first > 0:
            words = f"'{condition.id}' is judged by the checklist, of which nothing is due by T+0"
            yield remark("error", "empty-gate", places.of("go_no_go", index, "judged_by"), words)


def _conditions(book: Runbook, places: Places) -> Iterator[Remark]:
    """Conditions of a GO that ask for items which are due only after it was decided."""
    due = {item.id: item.by for item in items_of(book.checklist)}
    when = [
        phase.at if item.at is None else item.at
        for phase in book.phases
        for item in phase.items
        if isinstance(item, Check) and item.check == DECIDED
    ]
    for index, condition in enumerate(book.go_no_go):
        for n, name in enumerate(condition.items):
            if when and due[name] > max(when):
                words = f"GO is decided at {_at(max(when))}, and asks for '{name}', which is due at {_at(due[name])}"
                yield remark("warning", "out-of-order", places.of("go_no_go", index, "items", n), words)


def _early(book: Runbook, places: Places) -> Iterator[Remark]:
    """Checks that ask the processes of next at a time when none stands yet."""
    deployed = [
        phase.at if item.at is None else item.at
        for phase in book.phases
        for item in phase.items
        if isinstance(item, Deploy)
    ]
    for path, kind, given in questions(book):
        at = _due(book, path)
        if deployed and at < deployed[0] and kind.startswith(OF_PROCESSES) and given.get("of") == "next":
            words = f"{kind} asks next at {_at(at)}; it is deployed at {_at(deployed[0])}"
            yield remark("warning", "too-early", places.of(*path, "check"), words)


def _due(book: Runbook, path: tuple[Step, ...]) -> float:
    """When what stands there is done, or has to be so; a validation comes after everything."""
    match path:
        case ("phases", int(p), "items", int(i)):
            at = book.phases[p].items[i].at
            return book.phases[p].at if at is None else at
        case ("checklist", int(s), "items", int(i), *_):
            return book.checklist[s].items[i].by
        case _:
            return inf


def _asked(book: Runbook) -> Iterator[float | None]:
    """Up to which moments phases ask for the checklist; the decision asks for what is due by T+0."""
    judged = any(condition.judged_by == "checklist" for condition in book.go_no_go)
    for phase in book.phases:
        for item in phase.items:
            match item:
                case Check(check=kind, parameters={"by": str(by)}) if kind == CHECKLIST:
                    yield _offset(by)
                case Check(check=kind) if kind == DECIDED and judged:
                    yield 0.0
                case _:
                    pass


def _offset(text: str) -> float | None:
    try:
        return offset(text)
    except ValueError:
        return None


def _at(seconds: float) -> str:
    return written("offset", seconds)
