"""Load tests, by the summary that k6 hands to `handleSummary`: who came, for how long, and what they got.

k6 itself notes neither the time nor the build: `handleSummary = (data) => ({"k6.json": JSON.stringify({...data,
build: __ENV.BUILD, ended_at: new Date().toISOString()})})` adds both; else a label does.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from msgspec import Struct

from watership.releases.book.quantity import spoken
from watership.releases.checks.documents import marks
from watership.releases.checks.figures import NONE
from watership.releases.checks.kind import check
from watership.releases.checks.reports import WEEK, json_report, stale
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, found, inconclusive, passed

RUN: Final = "Run the load test on this build: BUILD=… k6 run …"


class Threshold(Struct, frozen=True):
    ok: bool


class Metric(Struct, frozen=True):
    """One metric of k6: its values by name (`p(95)`, `rate`, `max`), and the thresholds that the script set for it."""

    values: dict[str, float]
    type: str = ""
    contains: str = ""
    thresholds: dict[str, Threshold] = {}


class RunState(Struct, frozen=True, rename={"milliseconds": "testRunDurationMs"}):
    milliseconds: float


class Load(Struct, frozen=True, kw_only=True):
    """What k6 knows at the end of a test."""

    metrics: dict[str, Metric]
    state: RunState
    ended_at: datetime | None = None
    build: str = ""
    digest: str = ""
    version: str = ""

    def value(self, metric: str, name: str) -> float | None:
        there = self.metrics.get(metric)
        return None if there is None else there.values.get(name)

    def thresholds(self) -> dict[str, bool]:
        """Every threshold of the script, and whether it was kept."""
        return {
            f"{name} {rule}": each.ok
            for name, metric in self.metrics.items()
            for rule, each in metric.thresholds.items()
        }

    def named(self) -> list[str]:
        """What it says it is about."""
        return [name for name in (self.build, self.digest, self.version) if name]


@check("load.finished", good_for="24h", fix=RUN)
async def finished(
    scene: Scene, *, report: str, users: int, lasting: float = 60.0, younger_than: float = WEEK
) -> Finding:
    """The load test of k6's summary had `users` at the same time, lasted `lasting`, and kept every threshold that its
    script sets; one without a threshold cannot have passed."""
    document, load, wrong = await measured(scene, report, younger_than)
    there, seconds = load.value("vus", "max"), load.state.milliseconds / 1000
    requests = load.value("http_reqs", "count")
    limits = load.thresholds()
    if there is None or requests is None:
        return inconclusive(f"{report} does not say how many users there were, or how many requests.")
    if not requests:
        wrong.append("it made no request")
    if there < users:
        wrong.append(f"{there:,.0f} users at most, {users:,} are wanted")
    if seconds < lasting:
        wrong.append(f"it lasted {spoken(seconds)}, {spoken(lasting)} is wanted")
    if not limits:
        wrong.append("its script sets no thresholds")
    wrong += [f"{name} was not kept" for name, ok in limits.items() if not ok]
    if wrong:
        return failed(f"{report}: {'; '.join(wrong)}.")
    words = (
        f"{there:,.0f} users for {spoken(seconds)}, {requests:,.0f} requests, {len(limits)} thresholds kept."
    )
    return passed(f"{report}: {words}", users=there, seconds=seconds, **marks(document))


@check("load.figure", tells=True, good_for="24h", fix=RUN)
async def figure(
    scene: Scene,
    *,
    report: str,
    metric: str,
    value: str,
    below: float = NONE,
    at_least: float = NONE,
    younger_than: float = WEEK,
) -> Finding:
    """The value of one metric of k6's summary (`http_req_duration` `p(95)`) keeps its bounds, in k6's own unit: times
    are in milliseconds, rates are parts of 1. A metric without a sample is not known."""
    document, load, wrong = await measured(scene, report, younger_than)
    if wrong:
        return failed(f"{report}: {'; '.join(wrong)}.")
    there = load.value(metric, value)
    if there is None:
        return inconclusive(f"{report} has no {value} of {metric}.")
    unit = " ms" if load.metrics[metric].contains == "time" else ""
    bounds = [f"below {below:g}{unit}"] if not math.isnan(below) else []
    bounds += [f"at least {at_least:g}{unit}"] if not math.isnan(at_least) else []
    good = not there >= below and not there < at_least
    words = f"{report}: {value} of {metric} is {there:.6g}{unit}; {' and '.join(bounds) or 'any'} is wanted."
    return found(good, words, value=there, **marks(document))


async def measured(scene: Scene, path: str, younger_than: float) -> tuple[Document, Load, list[str]]:
    """A summary, and what is wrong with its time and its build."""
    document, load = await json_report(scene, path, Load)
    wrong = await stale(scene, document, younger_than=younger_than, at=load.ended_at, builds=load.named())
    return document, load, wrong
