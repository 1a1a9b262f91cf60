"""Alerts are rules that Prometheus has loaded, with thresholds that were chosen and words for whoever is woken."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.quantity import duration, listed, spoken
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.prometheus import data
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed

WISH: Final = re.compile(r"(\w+)\s*(>=|<=|>|<)\s*([\d.]+)(?:\s+for\s+(\w+))?")
"""`ErrorRate > 0.05 for 5m`."""

THRESHOLD: Final = re.compile(r"(>=|<=|>|<)\s*(-?[\d.]+(?:e[+-]?\d+)?)\s*$")
"""What an expression ends with that is compared with a number."""


class Rule(Struct):
    """An alerting rule as Prometheus has it loaded; `duration` in seconds."""

    name: str
    query: str
    duration: float
    health: str
    state: str
    lastError: str = ""  # noqa: N815 - as Prometheus spells it
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Group(Struct):
    rules: list[Rule]


class _Rules(Struct):
    groups: list[_Group]


@check("alerts.loaded", good_for="24h", fix="promtool check rules FILE; then reload Prometheus.")
async def loaded(scene: Scene, *, of: str, alerts: str) -> Finding:
    """Each of `alerts` (names, commas between) is a rule that Prometheus has loaded and could evaluate."""
    there = {rule.name: rule for rule in await rules(scene, of)}
    wrong = [f"there is no alert {name}" for name in listed(alerts) if name not in there]
    wrong += [
        f"{name} is {rule.health}: {rule.lastError or 'not evaluated yet'}"
        for name, rule in there.items()
        if name in listed(alerts) and rule.health != "ok"
    ]
    return judged(wrong, f"{len(listed(alerts))} alerts are loaded, and evaluated.", rules=len(there))


@check("alerts.tuned", good_for="24h", fix="Write the threshold into the rule, and reload Prometheus.")
async def tuned(scene: Scene, *, of: str, that: str) -> Finding:
    """The rules have the thresholds that were chosen (`ErrorRate > 0.05 for 5m`, commas between), and none of them
    fires while all is well: one that always does is soon unheard."""
    there = {rule.name: rule for rule in await rules(scene, of)}
    wrong = []
    for wish in listed(that):
        match = WISH.fullmatch(wish)
        if match is None:
            raise BadInput(f"'{wish}' is no threshold.", fix="Write: NAME > 0.05 for 5m")
        name, sign, bound, lasting = match[1], match[2], float(match[3]), match[4]
        rule = there.get(name)
        if rule is None:
            wrong.append(f"there is no alert {name}")
            continue
        compared = THRESHOLD.search(rule.query)
        if compared is None or (compared[1], float(compared[2])) != (sign, bound):
            wrong.append(f"{name} is {rule.query}, not {sign} {bound:g}")
        elif lasting and rule.duration != duration(lasting):
            wrong.append(f"{name} waits {spoken(rule.duration) or '0s'}, not {lasting}")
        elif rule.state == "firing":
            wrong.append(f"{name} fires now")
    return judged(wrong, f"As chosen: {that}.")


@check(
    "alerts.worded", good_for="24h", fix="Give the rule its annotations, with {{ $labels }} and {{ $value }}."
)
async def worded(scene: Scene, *, of: str, annotations: str, labels: str = "severity") -> Finding:
    """Every alerting rule has `annotations` and `labels` that are not empty, and takes in what it is about: {{ … }}."""
    there = await rules(scene, of)
    if not there:
        return failed(f"{of} has no alerting rule.")
    wrong = [
        f"{rule.name} has no {name}"
        for rule in there
        for name, held in [
            *((name, rule.annotations) for name in listed(annotations)),
            *((name, rule.labels) for name in listed(labels)),
        ]
        if not held.get(name, "").strip()
    ]
    wrong += [
        f"{rule.name} says the same whatever it is about"
        for rule in there
        if not any("{{" in words for words in rule.annotations.values())
    ]
    return judged(wrong, f"{len(there)} alerts say {annotations}.", rules=len(there))


async def rules(scene: Scene, of: str) -> list[Rule]:
    """The alerting rules that Prometheus has loaded."""
    told = await data(scene, of, "/api/v1/rules?type=alert", _Rules)
    return [rule for group in told.groups for rule in group.rules]
