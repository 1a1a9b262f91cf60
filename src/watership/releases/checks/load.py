"""A load test is judged by the summary that k6 wrote of it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.checks.figures import NONE, kept
from watership.releases.checks.kind import check
from watership.releases.checks.reports import decoded, fresh
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, found

WEEK: Final = 7 * 86400.0


class Summary(Struct, frozen=True):
    """What k6 knows at the end: `metrics` by name, as handleSummary gets them or --summary-export writes them."""

    metrics: dict[str, dict[str, object]]
    version: str = ""
    """Which version was tested, as the script's handleSummary put it there."""

    def value(self, metric: str, name: str) -> float | None:
        """A figure of a metric, None when it was not measured."""
        there = self.metrics.get(metric, {})
        values = there.get("values", there)
        figure = values.get(name) if isinstance(values, dict) else None
        return float(figure) if isinstance(figure, int | float) and not isinstance(figure, bool) else None

    def crossed(self) -> list[str]:
        """The thresholds that were not kept."""
        return [
            f"{metric}: {name}"
            for metric, there in self.metrics.items()
            for name, said in _mapping(there.get("thresholds")).items()
            if not _held(said)
        ]

    def thresholds(self) -> int:
        return sum(len(_mapping(there.get("thresholds"))) for there in self.metrics.values())

    def about(self, version: str) -> bool:
        """Whether it is of that version: it says so, or a threshold of it is tagged so."""
        return self.version == version or any(f"version:{version}" in _tags(name) for name in self.metrics)


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _held(said: object) -> bool:
    """handleSummary gets {"ok": true}; --summary-export writes false for a threshold that was not crossed."""
    return said.get("ok") is True if isinstance(said, dict) else said is False


def _tags(metric: str) -> list[str]:
    """`http_req_duration{version:2.1.0,a:b}` → its tags."""
    return [tag.strip() for tag in metric.partition("{")[2].removesuffix("}").split(",")]


async def _summary(scene: Scene, report: str, younger_than: float) -> Summary | Finding:
    document = await fresh(scene, report, younger_than=younger_than)
    if isinstance(document, Finding):
        return document
    summary = decoded(document, Summary)
    version = scene.plan.next.build.version
    if not summary.about(version):
        return found(False, f"{report} is not of {version}: it says {summary.version or 'no version'}.")
    return summary


@check("load.finished", good_for="24h", fix="Run the load test against this build, and keep its summary.")
async def finished(
    scene: Scene, *, report: str, users: int, lasted: float = 0.0, younger_than: float = WEEK
) -> Finding:
    """k6's summary of a test of next's version is fresh: `users` at a time asked, for `lasted` at least, requests were
    answered, and every threshold that the test has (one at least) was kept."""
    summary = await _summary(scene, report, younger_than)
    if isinstance(summary, Finding):
        return summary
    there, requests = summary.value("vus_max", "max"), summary.value("http_reqs", "count")
    rate = summary.value("http_reqs", "rate")
    if there is None or not requests or not rate:
        raise Unavailable(f"{report} does not tell how many users there were, and what they asked.")
    wrong = [f"{name} was crossed" for name in summary.crossed()]
    wrong += [] if summary.thresholds() else ["the test has no threshold, so that it could not fail"]
    wrong += [f"{there:g} users at most, of {users}"] if there < users else []
    wrong += [f"it took {requests / rate:.0f} s, of {lasted:g} s wanted"] if requests / rate < lasted else []
    words = f"{requests:,.0f} requests of {there:g} users at a time, {summary.thresholds()} thresholds kept."
    return found(
        not wrong, f"{report}: {'; '.join(wrong)}." if wrong else words, users=there, requests=requests
    )


@check("load.figure", good_for="24h", fix="Find what is slow, and test again.")
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
    """A figure of k6's summary keeps its bounds: of `http_req_duration` the `p(95)` in milliseconds, of
    `http_req_failed` the `rate` (`value` where --summary-export wrote it). What was not measured is not known."""
    summary = await _summary(scene, report, younger_than)
    if isinstance(summary, Finding):
        return summary
    there = summary.value(metric, value)
    if there is None:
        raise Unavailable(f"{report} has no {value} of {metric}.")
    return kept(there, below, at_least)
