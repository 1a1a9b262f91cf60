"""Alertmanager is asked what it does with alerts: with one that always fires, and with one that is sent to be seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

import yaml
from msgspec import Struct, field

from watership.errors import Unavailable
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.mark import mark
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, excerpt, failed, found

ALERTS: Final = "/api/v2/alerts"

LASTING: Final = timedelta(minutes=5)
"""How long a test alert stands if nobody ends it."""

COUNTED: Final = re.compile(r"^alertmanager_notifications_(failed_)?total\{([^}]*)\} (\S+)", re.MULTILINE)
"""A line of Alertmanager's metrics: notifications by integration, and by receiver in newer ones."""


class _Status(Struct):
    state: str


class _Receiver(Struct):
    name: str


class _Alert(Struct, rename="camel"):
    updated_at: datetime
    status: _Status
    receivers: list[_Receiver] = field(default_factory=list)


class _Config(Struct):
    original: str


class _Running(Struct):
    config: _Config


@check(
    "alerts.watched",
    adapted=True,
    good_for="1h",
    fix="Look at alerting: in prometheus.yml, and at the routes.",
)
async def watched(scene: Scene, *, of: str, alert: str, receiver: str, younger_than: float) -> Finding:
    """The alert that always fires stands in Alertmanager, was renewed within `younger_than`, and goes to `receiver`,
    which cries when it stays away: so that silence is known from health."""
    path = "/api/v2/alerts?filter=" + quote(f'alertname="{alert}"', safe="")
    there = shaped(of, await scene.json(of, path), list[_Alert])
    if not there:
        return failed(f"{of} has no alert {alert}: nothing comes from Prometheus.")
    last = max(there, key=lambda each: each.updated_at)
    wrong = []
    age = scene.now() - last.updated_at
    if age > timedelta(seconds=younger_than):
        wrong.append(f"{alert} came {spoken(age.total_seconds())} ago; {spoken(younger_than)} is the limit")
    if last.status.state != "active":
        wrong.append(f"{alert} is {last.status.state}")
    if receiver not in {each.name for each in last.receivers}:
        wrong.append(f"{alert} does not go to {receiver}")
    return judged(wrong, f"{alert} is in {of}, and goes to {receiver}.")


@check(
    "alerts.delivered", adapted=True, good_for="48h", fix="amtool config routes test LABELS; then its log."
)
async def delivered(scene: Scene, *, of: str, integration: str, labels: str, within: float) -> Finding:
    """A test alert with `labels` (`severity=info`, commas between) is routed to a receiver that has the `integration`
    (email, slack, …), and `within` that time one more notification has gone out through it, and none has failed."""
    probe, before = mark(scene), await _notified(scene, of, integration)
    given = dict(pair.split("=", 1) for pair in listed(labels)) | {
        "alertname": "WatershipTest",
        "probe": probe,
    }
    await _put(scene, of, given, scene.sent_at() + LASTING)
    after = before

    async def told() -> bool:
        nonlocal after
        after = await _notified(scene, of, integration)
        return after != before

    try:
        receivers = await _routed(scene, of, probe, integration)
        if not receivers:
            return failed(f"The test alert {probe} goes to no receiver that has {integration}_configs.")
        await scene.until(told, min(within, scene.timeout * 0.8))
    finally:
        await _put(scene, of, given, scene.sent_at())
    sent, wrong = after[0] - before[0], after[1] - before[1]
    counts = f"{sent:.0f} sent by {integration}, {wrong:.0f} failed within {spoken(within)}"
    words = f"The test alert {probe} goes to {', '.join(receivers)}; {counts}."
    return found(sent > 0 and wrong == 0, words, sent=sent, failed=wrong)


async def _put(scene: Scene, of: str, labels: Mapping[str, str], until: datetime) -> None:
    """Put an alert to it; one that ends now is resolved."""
    words = f"A test before the release of {scene.plan.next.build.version}: nothing is wrong."
    alert = {
        "labels": labels,
        "annotations": {"summary": words},
        "startsAt": scene.sent_at().isoformat(),
        "endsAt": until.isoformat(),
    }
    answer = await scene.ask("POST", of, ALERTS, body=[alert])
    if answer.status != 200:
        raise Unavailable(f"{of} answered {answer.status} to an alert: {excerpt(answer.body)}")


async def _routed(scene: Scene, of: str, probe: str, integration: str) -> list[str]:
    """The receivers that a test alert goes to, by the routes in force, of those that have the integration."""
    path = f"{ALERTS}?filter=" + quote(f'probe="{probe}"', safe="")
    there = shaped(of, await scene.json(of, path), list[_Alert])
    running = shaped(of, await scene.json(of, "/api/v2/status"), _Running)
    try:
        config = yaml.safe_load(running.config.original)
        able = {each["name"] for each in config["receivers"] if each.get(f"{integration}_configs")}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise Unavailable(f"{of} tells a configuration that cannot be read.") from error
    return sorted(able & {receiver.name for alert in there for receiver in alert.receivers})


async def _notified(scene: Scene, of: str, integration: str) -> tuple[float, float]:
    """How many notifications went out through an integration since it began, and how many failed."""
    answer = await scene.get(of, "/metrics")
    if answer.status != 200:
        raise Unavailable(f"{of} answered {answer.status} to the question for its metrics.")
    lines = COUNTED.findall(answer.body.decode(errors="replace"))
    own = [(bad, float(number)) for bad, labels, number in lines if f'integration="{integration}"' in labels]
    if not own:
        raise Unavailable(f"{of} counts no notifications by {integration}.")
    # What failed is among the total.
    lost = sum(number for bad, number in own if bad)
    return sum(number for bad, number in own if not bad) - lost, lost
