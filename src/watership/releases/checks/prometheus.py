"""Prometheus is asked about itself: whom it scrapes, what it keeps and for how long, and how quickly it answers."""

from __future__ import annotations

import math
import re
from typing import Final, TypeVar
from urllib.parse import quote

from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.book.quantity import listed, percent, spoken
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, excerpt, failed, found

T = TypeVar("T")

_UNITS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 7 * 86400.0,
    "y": 365 * 86400.0,
}


class Target(Struct, rename="camel"):
    """Somebody that is scraped, as Prometheus tells it."""

    labels: dict[str, str]
    health: str
    last_error: str = ""
    scrape_interval: str = ""

    @property
    def name(self) -> str:
        return f"{self.labels.get('job', '?')} at {self.labels.get('instance', '?')}"


class _Targets(Struct, rename="camel"):
    active_targets: list[Target]


class _Kept(Struct, rename="camel"):
    storage_retention: str


class _Head(Struct, rename="camel"):
    num_series: int


class _Count(Struct):
    name: str
    value: int


class _Stored(Struct, rename="camel"):
    head_stats: _Head
    series_count_by_metric_name: list[_Count]


class _Timings(Struct, rename="camel"):
    exec_total_time: float


class _Stats(Struct):
    timings: _Timings


class _Timed(Struct):
    stats: _Stats


class _Series(Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Vector(Struct):
    result: list[_Series]


@check(
    "prometheus.targets", good_for="4h", fix="Look at /targets; then add the job, or mend what it scrapes."
)
async def targets(scene: Scene, *, of: str, jobs: str) -> Finding:
    """Each of `jobs` (commas between) has targets, and every one of them was scraped well the last time."""
    there = await scraped(scene, of)
    wrong = [
        f"the job {job} has no target"
        for job in listed(jobs)
        if not any(each.labels.get("job") == job for each in there)
    ]
    chosen = [each for each in there if each.labels.get("job") in listed(jobs)]
    wrong += [
        f"{each.name} is {each.health}: {each.last_error or 'not scraped yet'}"
        for each in chosen
        if each.health != "up"
    ]
    return judged(wrong, f"{len(chosen)} targets of {len(listed(jobs))} jobs are up.", targets=len(chosen))


@check("prometheus.retention", good_for="24h", fix="Start Prometheus with --storage.tsdb.retention.time.")
async def retention(scene: Scene, *, of: str, at_least: float) -> Finding:
    """Prometheus keeps what it has for `at_least`, as it says itself. A bound of size alone promises no time."""
    told = (await data(scene, of, "/api/v1/status/runtimeinfo", _Kept)).storage_retention
    time = next((seconds for word in told.split(" or ") if (seconds := in_seconds(word))), 0.0)
    words = f"{of} keeps {told or 'nothing that it tells'}; {spoken(at_least)} are wanted."
    return found(time >= at_least, words, seconds=time)


@check("prometheus.cardinality", good_for="24h", fix="Drop the label that grew: metric_relabel_configs.")
async def cardinality(scene: Scene, *, of: str, series_below: int, of_one_below: int) -> Finding:
    """It holds fewer than `series_below` series, and of no metric as many as `of_one_below`."""
    told = await data(scene, of, "/api/v1/status/tsdb", _Stored)
    all_of_them = told.head_stats.num_series
    if all_of_them < 1:
        return failed(f"{of} holds no series at all.")
    wrong = [
        f"{each.name} has {each.value:,} series, {of_one_below:,} is the limit"
        for each in told.series_count_by_metric_name
        if each.value >= of_one_below
    ]
    if all_of_them >= series_below:
        wrong.append(f"there are {all_of_them:,} series, {series_below:,} is the limit")
    return judged(wrong, f"{all_of_them:,} series; {series_below:,} is the limit.", series=all_of_them)


@check(
    "prometheus.stored", good_for="4h", fix="Look for gaps: count_over_time(up[10m]), and at Prometheus' log."
)
async def stored(scene: Scene, *, of: str, over: float, at_least: float) -> Finding:
    """Of every target at least this share of the points that `over` should hold, by its interval, is stored."""
    there = await scraped(scene, of)
    if not there:
        return failed(f"{of} scrapes nobody.")
    counts = {
        (metric.get("job"), metric.get("instance")): value
        for metric, value in await vector(scene, of, f"count_over_time(up[{over:.0f}s])")
    }
    wrong, shares = [], []
    for each in there:
        wanted = over / (in_seconds(each.scrape_interval) or math.inf)
        share = (
            counts.get((each.labels.get("job"), each.labels.get("instance")), 0.0) / wanted if wanted else 0.0
        )
        shares.append(share)
        if share < at_least:
            wrong.append(f"{each.name}: {percent(share)} of its points are stored")
    words = (
        f"{percent(min(*shares, 1.0))} of the points of {spoken(over)} are stored, of {len(there)} targets."
    )
    return judged(wrong, words, targets=len(there))


@check("prometheus.query_time", good_for="4h", fix="Record what is asked often, or ask for less.")
async def query_time(scene: Scene, *, of: str, query: str, below: float) -> Finding:
    """Prometheus needs less than `below` for the query, by its own clock: the way there is not its own."""
    path = f"/api/v1/query?query={quote(query, safe='')}&stats=all"
    told = await data(scene, of, path, _Timed, timeout=max(2 * below, 5.0))
    took = told.stats.timings.exec_total_time
    words = f"The query took {took:.3g} s in {of}; below {spoken(below)} is wanted."
    return found(took < below, words, seconds=took)


# --- what its answers hold -------------------------------------------------------------------------------------


async def scraped(scene: Scene, of: str) -> list[Target]:
    """Everybody that Prometheus scrapes now."""
    return (await data(scene, of, "/api/v1/targets?state=active", _Targets)).active_targets


async def vector(scene: Scene, of: str, query: str, at: str = "") -> list[tuple[dict[str, str], float]]:
    """The series of an instant query with their values; `at`: what else is said of it (`&time=…`)."""
    told = await data(scene, of, f"/api/v1/query?query={quote(query, safe='')}{at}", _Vector)
    return [(each.metric, float(each.value[1])) for each in told.result]


async def data(scene: Scene, of: str, path: str, shape: type[T], *, timeout: float = 5.0) -> T:
    """What stands below `data` in an answer. Raises Unavailable for one that is no success."""
    answer = await scene.json(of, path, timeout=timeout)
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise Unavailable(f"{of} answered otherwise than Prometheus does: {excerpt(str(answer))}")
    return shaped(of, answer.get("data"), shape)


def in_seconds(text: str) -> float:
    """`1m30s` → 90.0; 0 for what is no time."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", text)
    if "".join(f"{number}{unit}" for number, unit in parts) != text:
        return 0.0
    return sum(int(number) * _UNITS[unit] for number, unit in parts)
