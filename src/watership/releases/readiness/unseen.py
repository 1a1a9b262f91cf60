"""Unseen is what a plan asks of systems that are not named, or whose secret cannot be read: told beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from watership.errors import WatershipError
from watership.releases.book.quantity import Given, listed
from watership.releases.book.runbook import Check, Repoint, Ttl
from watership.releases.book.system import SECRET, Secrets, System
from watership.releases.checks.kind import CheckKind
from watership.releases.plan import Plan
from watership.releases.readiness.aftercare import everything
from watership.releases.readiness.checklist import Checklist, key, points_of

NAMING: Final = frozenset(
    (
        *("of", "on", "off", "to", "through", "source", "live", "current", "former", "bases", "scratch"),
        *("tried", "mail", "alerts", "errors", "events", "api", "hook", "collector", "intake", "clusters"),
        *("site", "instances"),
    )
)
"""The parameters of checks that name systems, one or several."""

OTHERS: Final = frozenset(
    {("trial.flag", "on"), ("trial.flag", "off"), ("alerts.loaded", "alerts"), ("mail.accepts", "to")}
)
"""Parameters of the same names that name something else."""

SIDES: Final = frozenset({"live", "next"})
"""An environment knows where its own processes are: these need no name, and no secret unless they have one."""

AGAIN: Final = "checklist.again"
"""The check that has points of the checklist measured: it sees what they see."""

Where = Literal["phases", "checklist"]


class Unseen(Struct, frozen=True, kw_only=True):
    """Something that cannot be known, for want of a name or a secret. `words` never hold what a secret holds."""

    where: Where
    key: str
    title: str
    systems: tuple[str, ...]
    words: str


def unseen(plan: Plan, kinds: Mapping[str, CheckKind], secrets: Secrets) -> tuple[Unseen, ...]:
    """What the plan cannot see: items of phases first, for they end a release; then points of the checklist."""
    wanting = {name: words for name in plan.systems if (words := withheld(plan.systems[name], secrets))}
    points = {
        key(item, point): (point.text, asks(point.check, point.parameters, kinds))
        for item, point in points_of(everything(plan))
        if point.check is not None
    }
    named = {name: asked for name, (_, asked) in points.items()}
    steps = [
        (item.key, item.does.title, _asks_of(item.does, plan.checklist, named, kinds))
        for item in plan.items
        if isinstance(item.does, Check)
    ]
    entrances = [(item, item.does.of) for item in plan.items if isinstance(item.does, Ttl | Repoint)]
    steps += [(item.key, item.does.title, frozenset({of})) for item, of in entrances]
    wanting |= {of: words for _, of in entrances if (words := _unsigned(plan.systems.get(of), secrets))}
    lines = [(name, text, asked) for name, (text, asked) in points.items()]
    return (
        *_found("phases", steps, plan.systems, wanting),
        *_found("checklist", lines, plan.systems, wanting),
    )


def withheld(system: System, secrets: Secrets) -> str:
    """Why a secret that a system needs cannot be had; empty where it can, or none is needed."""
    if not any(SECRET in text for text in (system.url, *system.headers.values())):
        return ""
    try:
        system.address(secrets)
        system.sent(secrets)
    except WatershipError as error:
        return error.message.rstrip(".")
    return ""


def _unsigned(system: System | None, secrets: Secrets) -> str:
    """Why the secret cannot be had by which the names of a system are changed; empty where it can, or needs none."""
    if system is None or not system.secret:
        return ""
    try:
        secrets.read(system.secret)
    except WatershipError as error:
        return error.message.rstrip(".")
    return ""


def asks(check: str, given: Mapping[str, Given], kinds: Mapping[str, CheckKind]) -> frozenset[str]:
    """The systems that a check asks, by their names."""
    kind = kinds.get(check)
    known = kind.parameters if kind is not None else {}
    defaults = {name: each.default for name, each in known.items() if isinstance(each.default, str)}
    values = [
        value
        for name, value in {**defaults, **given}.items()
        if name in NAMING and (check, name) not in OTHERS and isinstance(value, str)
    ]
    return frozenset(each for value in values for each in listed(value))


def lacks(asked: Iterable[str], systems: Mapping[str, System], wanting: Mapping[str, str]) -> dict[str, str]:
    """Why each of those systems cannot be seen that cannot."""
    found = {}
    for name in sorted(asked):
        if name in wanting:
            found[name] = f"{name}: {wanting[name]}"
        elif name not in systems and name not in SIDES:
            found[name] = f"{name} is not named"
    return found


def _asks_of(
    does: Check,
    checklist: Checklist,
    named: Mapping[str, frozenset[str]],
    kinds: Mapping[str, CheckKind],
) -> frozenset[str]:
    """The systems that an item of a phase asks, by itself or through points that it has measured."""
    if does.check != AGAIN:
        return asks(does.check, does.parameters, kinds)
    wanted = listed(str(does.parameters.get("items", "")))
    keys = [key(item, point) for item, point in points_of(checklist) if item.id in wanted]
    return frozenset().union(*(named.get(each, frozenset()) for each in keys))


def _found(
    where: Where,
    asked: Sequence[tuple[str, str, frozenset[str]]],
    systems: Mapping[str, System],
    wanting: Mapping[str, str],
) -> Iterator[Unseen]:
    for name, title, names in asked:
        lacking = lacks(names, systems, wanting)
        if lacking:
            words = "; ".join(lacking.values())
            yield Unseen(where=where, key=name, title=title, systems=tuple(lacking), words=words)
