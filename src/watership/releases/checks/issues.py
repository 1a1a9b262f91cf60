"""An issue is identified when somebody has taken it up, which an alert that nobody has silenced says of none."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from watership.releases.book.quantity import listed
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, inconclusive

ALERTS: Final = "/api/v2/alerts?active=true&silenced=false&inhibited=false"
"""What fires, and nobody has said that it is known (a silence), nor something else explains (an inhibition)."""

NEW: Final = "is:unresolved is:unassigned firstSeen:-{hours:.0f}h"
"""Sentry's own search: errors that first came lately, and are nobody's."""


class _Alert(Struct):
    labels: dict[str, str]


class _Issue(Struct, rename="camel"):
    short_id: str
    title: str = ""


@check(
    "issues.identified",
    adapted=True,
    good_for="1h",
    fix="Silence the alert with its reason, assign the error, or open an incident: watership incident open",
)
async def identified(scene: Scene, *, alerts: str, errors: str, within: float, besides: str = "") -> Finding:
    """No alert fires that nobody has silenced, but `besides` (names, commas between); the error tracker has no error
    that first came `within` that time and is assigned to nobody; and no critical incident of this release is open."""
    firing = shaped(alerts, await scene.json(alerts, ALERTS), list[_Alert])
    names = sorted({each.labels.get("alertname", "?") for each in firing} - set(listed(besides)))
    wrong = [f"{name} fires, and nobody has silenced it" for name in names]
    asked = urlencode({"query": NEW.format(hours=max(within / 3600, 1)), "limit": 25})
    project = f"{scene.fact(errors, 'organization')}/{scene.fact(errors, 'project')}"
    there = shaped(
        errors, await scene.json(errors, f"/api/0/projects/{project}/issues/?{asked}"), list[_Issue]
    )
    wrong += [f"{each.short_id} is nobody's: {each.title[:80]}" for each in there]
    if scene.incidents is None and not wrong:
        return inconclusive("The incidents could not be read here.")
    if scene.incidents is not None:
        wrong += [f"the incident {each} is open" for each in await scene.incidents(scene.plan.release)]
    return judged(wrong, "No alert, error or incident is there that nobody has taken up.", open=len(wrong))
