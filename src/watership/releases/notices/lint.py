"""A template is looked at before it is needed: every name in every branch, and its words in the barest situation."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Union, get_args, get_origin, get_type_hints

from jinja2 import TemplateSyntaxError, nodes
from msgspec import Struct
from msgspec.structs import replace

from watership.releases.book.document import DocumentError
from watership.releases.notices.comms import Comms
from watership.releases.notices.minute import Traffic
from watership.releases.notices.notice import Asked, Incident, Issue, Kind, Window
from watership.releases.notices.situation import (
    Approval,
    Checks,
    Decision,
    PhaseSight,
    Rollback,
    Seat,
    Situation,
)
from watership.releases.notices.template import Scene, environment, rendered, taken_apart

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
GLOBALS = frozenset({"loop", "range"})
UNKNOWN = object
"""The type of what cannot be followed; anything may be asked of it."""


class Problem(Struct, frozen=True):
    """What is wrong with a template, and the line of its file."""

    line: int
    text: str


def check_template(text: str, kind: Kind = "status", source: str = "template") -> list[Problem]:
    """What would go wrong when a notice of this kind is put in these words; empty when nothing would."""
    try:
        parts = taken_apart(text, source)
    except DocumentError as error:
        return [Problem(error.line, error.problem)]
    found = [
        *_names(parts.subject, parts.subject_line),
        *_names(parts.body, parts.body_line),
    ]
    if not found:
        for scene in scenes(kind):
            try:
                subject, _ = rendered(parts, scene, source)
            except DocumentError as error:
                found.append(Problem(error.line, error.problem))
            else:
                found += [] if subject.strip() else [Problem(parts.subject_line, "the subject is empty")]
    return sorted(set(found), key=lambda problem: (problem.line, problem.text))


def check_comms(comms: Comms) -> dict[str, list[Problem]]:
    """The problems of every template that is sent, by its name; those without any are left out."""
    found: dict[str, list[Problem]] = {}
    for sending in comms.send:
        text = comms.texts.get(sending.template)
        problems = (
            [Problem(1, "there is no such template")]
            if text is None
            else check_template(text, sending.kind, sending.template)
        )
        if problems:
            found[sending.template] = problems
    return found


def _names(text: str, first: int) -> list[Problem]:
    try:
        tree = environment().parse(text)
        environment().compile(text)  # names of filters and tests are looked up here
    except TemplateSyntaxError as error:
        return [Problem(first + error.lineno - 1, error.message or "not a template")]
    return [Problem(first + line - 1, words) for line, words in _followed(tree, dict(get_type_hints(Scene)))]


def _followed(node: nodes.Node, scope: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Walk a tree in the order of the text; every name must be in scope, every attribute known."""
    match node:
        case nodes.For(target=nodes.Name(name=name)):
            yield from _followed(node.iter, scope)
            inner = {**scope, name: _element(_type(node.iter, scope)), "loop": UNKNOWN}
            for child in (*node.body, *node.else_, *([node.test] if node.test else [])):
                yield from _followed(child, inner)
            return
        case nodes.Assign(target=nodes.Name(name=name)):
            yield from _followed(node.node, scope)
            scope[name] = _type(node.node, scope)
            return
        case nodes.Name(name=name, ctx="load") if name not in scope and name not in GLOBALS:
            yield node.lineno, f"'{name}' is not known here ({', '.join(sorted(get_type_hints(Scene)))} are)"
        case nodes.Getattr(attr=attr) if (owner := _struct(_type(node.node, scope))) is not None:
            if attr not in _fields(owner):
                yield node.lineno, f"{owner.__name__.lower()} has no '{attr}' ({', '.join(_fields(owner))})"
    for child in node.iter_child_nodes():
        yield from _followed(child, scope)


def _type(node: nodes.Node, scope: Mapping[str, Any]) -> Any:
    match node:
        case nodes.Name(name=name):
            return scope.get(name, UNKNOWN)
        case nodes.Getattr(attr=attr):
            owner = _struct(_type(node.node, scope))
            return _fields(owner).get(attr, UNKNOWN) if owner is not None else UNKNOWN
        case nodes.Getitem():
            return _element(_type(node.node, scope))
    return UNKNOWN


def _struct(kind: Any) -> type[Struct] | None:
    """The struct that a type is, or may be."""
    for each in get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,):
        if isinstance(each, type) and issubclass(each, Struct):
            return each
    return None


def _fields(owner: type[Struct]) -> dict[str, Any]:
    hints = get_type_hints(owner)
    more = {name: UNKNOWN for name, value in vars(owner).items() if isinstance(value, property)}
    return {name: hints[name] for name in owner.__struct_fields__} | more


def _element(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is tuple else UNKNOWN


def scenes(kind: Kind) -> list[Scene]:
    """What a notice of this kind may have to speak of: with everything known, with next to nothing, and at its end."""
    full, bare = example(), replace(example(), **_NOTHING)
    issue = Issue(
        key="smoke/1",
        priority="HIGH",
        title="The smoke tests pass on next",
        symptoms=("3 of 12 requests failed",),
        actions=("watership release go-on",),
        since=NOON,
    )
    incident = Incident(
        id="INC-1",
        priority="CRITICAL",
        title="Errors above 10 %",
        opened_at=NOON,
        opened_by="controller",
        symptoms=("15.2 % of requests fail",),
        acknowledged_by="Ina Charge",
        closed_at=NOON + timedelta(minutes=10),
        resolution="Rolled back to 2.0.5",
        asked=Asked(level=1, title="On-call engineer", because="it was opened", powers=("Investigate",)),
    )
    bare_issue = Issue(key="asks/1", priority="MEDIUM", title="It waits")
    bare_incident = replace(
        incident, symptoms=(), acknowledged_by="", closed_at=None, resolution="", asked=None
    )
    if kind == "rollback":
        assert full.rollback is not None
        bare = replace(bare, rollback=Rollback(reason="", by="controller"))
    return [
        Scene(
            release=release,
            now=NOON,
            ends=ends,
            next_update=NOON if release is full else None,
            issue=(issue if release is full else bare_issue) if kind == "issue" else None,
            incident=(incident if release is full else bare_incident) if kind == "incident" else None,
        )
        for release, ends in ((full, False), (full, True), (bare, False), (bare, True))
    ]


def example() -> Situation:
    """An example in which everything is known, for looking at templates; it is nobody's release."""
    return Situation(
        name="2.1.0-example",
        environment="production",
        service="agent-orchestrator",
        version="2.1.0",
        previous="2.0.5",
        slot="blue",
        previous_slot="green",
        starter="Sam Starter",
        stage="taking_back",
        headline="ROLLING BACK",
        window=Window(begins=NOON, ends=NOON + timedelta(minutes=90)),
        planned_seconds=5400.0,
        factor=1.0,
        rehearsal=False,
        leaps=False,
        access="Reads and writes are served throughout.",
        pauses_writes=False,
        migrations=("add_topic (5 → 6)",),
        approvals=(Approval(role="release_manager", person="Rea Lee", at=NOON),),
        missing=("security_lead",),
        decision=Decision(
            said="NO-GO",
            person="Dee Lead",
            role="deployment_lead",
            at=NOON,
            reason="the backup is stale",
            record=("Issue: the backup is stale",),
        ),
        team=(Seat(role="Deployment lead", person="Dee Lead"),),
        began=NOON,
        ended=NOON + timedelta(minutes=52),
        seconds=3120.0,
        promoted=True,
        phase=PhaseSight(number=2, title="Deployment of next", state="running", budget=1200.0, elapsed=720.0),
        phases=(
            PhaseSight(number=1, title="Pre-validation", state="done", budget=300.0, elapsed=290.0),
            PhaseSight(number=2, title="Deployment of next", state="running", budget=1200.0, elapsed=720.0),
            PhaseSight(number=3, title="Database migration", state="waiting", budget=600.0),
        ),
        checks=Checks(passed=12, failed=1, inconclusive=1, waiting=20, total=34),
        weight=50,
        next=Traffic(seconds=60, requests=10_000, failed=2, rate=0.0002, p95=0.145),
        live=Traffic(seconds=60, requests=10_000, failed=1, rate=0.0001, p95=0.1),
        next_healthy=2,
        live_healthy=2,
        watch_until=NOON + timedelta(hours=25),
        rollback=Rollback(
            reason="Errors on next: 15.2 %",
            by="controller",
            began=NOON,
            done=True,
            evidence="Both planes give next 0 %",
            seconds=1.4,
        ),
        reason="Errors on next: 15.2 %",
    )


_NOTHING: dict[str, Any] = {
    "window": None,
    "migrations": (),
    "approvals": (),
    "missing": (),
    "decision": None,
    "team": (),
    "began": None,
    "ended": None,
    "seconds": None,
    "phase": None,
    "phases": (),
    "checks": Checks(),
    "next": None,
    "live": None,
    "next_healthy": None,
    "live_healthy": None,
    "watch_until": None,
    "rollback": None,
    "reason": "",
}
