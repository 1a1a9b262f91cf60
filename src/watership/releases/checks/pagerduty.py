"""PagerDuty takes an alert and shows it, goes up the plan's levels in the plan's time, and has somebody at each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from msgspec import Struct, field

from watership.errors import BadInput
from watership.releases.book.quantity import spoken
from watership.releases.book.team import Level
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.mark import mark
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, failed, found

ENQUEUE: Final = "/v2/enqueue"


class _Incident(Struct):
    id: str
    incident_key: str | None = None


class _Incidents(Struct):
    incidents: list[_Incident]


class _Target(Struct):
    id: str = ""
    summary: str = ""


class _Rule(Struct):
    escalation_delay_in_minutes: int
    targets: list[_Target] = field(default_factory=list)


class _Rules(Struct):
    name: str = ""
    escalation_rules: list[_Rule] = field(default_factory=list)


class _Policy(Struct):
    escalation_policy: _Rules


class Shift(Struct):
    """Without `start` or `end` it is always."""

    escalation_level: int
    user: _Target
    start: datetime | None = None
    end: datetime | None = None


class _Shifts(Struct):
    oncalls: list[Shift]


@check(
    "pagerduty.delivers",
    adapted=True,
    good_for="48h",
    fix="Look at the routing key, and at the service's integration.",
)
async def delivers(scene: Scene, *, events: str, api: str) -> Finding:
    """A test alert that is sent as an event (the secret of `events` is the routing key) is found as an incident by the
    REST API, and resolved again."""
    key = f"watership-test-{mark(scene)}"
    summary = f"A test of alerting before the release of {scene.plan.next.build.version}: nothing is wrong."
    payload = {"summary": summary, "source": "watership check", "severity": "info"}
    taken = await _event(scene, events, key, "trigger", payload)
    if taken != 202:
        return failed(f"{events} answered {taken} to a test alert.")

    async def there() -> bool:
        told = await scene.json(api, f"/incidents?incident_key={quote(key, safe='')}")
        return any(each.incident_key == key for each in shaped(api, told, _Incidents).incidents)

    try:
        seen = await scene.until(there, scene.timeout / 3)
    finally:
        resolved = await _event(scene, events, key, "resolve")
    if not seen:
        return failed(f"The test alert {key} was taken, and is no incident.")
    return found(
        resolved == 202, f"The test alert {key} became an incident; resolving it was answered {resolved}."
    )


@check(
    "pagerduty.escalates", adapted=True, good_for="24h", fix="Correct the escalation policy, or team.yaml."
)
async def escalates(scene: Scene, *, of: str) -> Finding:
    """The escalation policy (fact `policy`) has a rule for each level of the plan, with somebody to call, and comes to
    it no later than the plan says."""
    levels = _levels(scene)
    told = await scene.json(of, f"/escalation_policies/{scene.fact(of, 'policy')}")
    policy = shaped(of, told, _Policy).escalation_policy
    wrong, after = [], 0.0
    for level, rule in zip(levels, policy.escalation_rules, strict=False):
        if not rule.targets:
            wrong.append(f"level {level.level} calls nobody")
        if after > level.after:
            late = f"{spoken(after)}, not after {spoken(level.after) or '0s'}"
            wrong.append(f"level {level.level} is called after {late}")
        after += rule.escalation_delay_in_minutes * 60.0
    if len(policy.escalation_rules) < len(levels):
        wrong.append(f"'{policy.name}' has {len(policy.escalation_rules)} levels, the plan {len(levels)}")
    return judged(
        wrong, f"'{policy.name}' goes up {len(levels)} levels in the plan's time.", levels=len(levels)
    )


@check("pagerduty.attended", adapted=True, good_for="4h", fix="Fill the gap in the schedule, or override it.")
async def on_call(scene: Scene, *, of: str, until: float) -> Finding:
    """At every moment from now for `until` somebody is on call at each level of the plan."""
    levels, now = _levels(scene), scene.now()
    end = now + timedelta(seconds=until)
    shifts = await oncalls(scene, of, scene.fact(of, "policy"), now, end)
    wrong = [
        f"nobody is on call at level {level.level} from {free:%Y-%m-%d %H:%M} UTC"
        for level in levels
        if (free := gap([each for each in shifts if each.escalation_level == level.level], now, end))
    ]
    first = ", ".join(sorted({each.user.summary for each in shifts if each.escalation_level == 1}))
    return judged(wrong, f"Somebody is on call at each of {len(levels)} levels; first {first}.", first=first)


async def oncalls(scene: Scene, of: str, policy: str, begin: datetime, end: datetime) -> list[Shift]:
    """Who is on call by an escalation policy in a time."""
    policy = quote(policy, safe="")
    path = f"/oncalls?escalation_policy_ids%5B%5D={policy}&since={_iso(begin)}&until={_iso(end)}&limit=100"
    return shaped(of, await scene.json(of, path), _Shifts).oncalls


async def _event(scene: Scene, events: str, key: str, action: str, payload: object = None) -> int:
    system = scene.system(events)
    body = {"routing_key": scene.look.secrets.read(system.secret), "event_action": action, "dedup_key": key}
    answer = await scene.ask("POST", events, ENQUEUE, body=body | ({"payload": payload} if payload else {}))
    return answer.status


def _levels(scene: Scene) -> tuple[Level, ...]:
    if scene.plan.escalation is None:
        raise BadInput("The plan has no escalation to compare with.", fix="Add it to team.yaml.")
    return scene.plan.escalation.levels


def gap(shifts: list[Shift], begin: datetime, end: datetime) -> datetime | None:
    """The first moment without anybody; None when there is none."""
    at = begin
    for each in sorted(shifts, key=lambda each: each.start or begin):
        if (each.start or begin) > at:
            return at
        at = max(at, each.end or end)
    return at if at < end else None


def _iso(at: datetime) -> str:
    return quote(at.isoformat(timespec="seconds"), safe="")
