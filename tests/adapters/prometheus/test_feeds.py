"""Feeds by Prometheus: each figure with the age of its own samples, and nothing where one is missing or old."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.adapters.prometheus.exporter import Exporter, exporting
from tests.conftest import started
from watership.adapters.http.probe import HttpProbe
from watership.adapters.prometheus import PrometheusObserver
from watership.adapters.prometheus.feeds import PrometheusFeeds
from watership.durable.clock import SystemClock
from watership.durable.ids import DeploymentId
from watership.durable.states import RunState
from watership.fleet.deployment import Slot
from watership.releases.book.document import parse
from watership.releases.book.shelf import shipped
from watership.releases.judging.feed import AlertFeed, EventFeed, Feed, Feeds, FigureFeed, Subject, Told, fed
from watership.releases.judging.nearby import read
from watership.testing.servers import PrometheusServer

FEEDS: Final = shipped("agent-orchestrator").runbook.feeds
NEXT: Final = Subject(slot=Slot.BLUE, deployment=DeploymentId("d-2.1.0"))
LIVE: Final = Subject(slot=Slot.GREEN, deployment=DeploymentId("d-2.0.5"))
PATIENCE = 30.0
BEHIND = 6.0
"""Seconds by which an exporter is behind that dates its samples itself."""

RULES = """
groups:
  - name: ours
    rules:
      - { alert: Slow, expr: 'trouble{slot="blue"} > 0', labels: { severity: warning } }
      - { alert: Intrusion, expr: 'intrusion > 0', labels: { category: security, severity: critical } }
"""


class World:
    """Next's service, and its machine: an exporter of each kind that the shipped feeds ask for, in one."""

    def __init__(self) -> None:
        self.observer = PrometheusObserver(version="2.1.0", deployment=NEXT.deployment, slot=NEXT.slot)
        self.hits, self.used, self.trouble, self.intrusion, self.kills = 9, 0.5, 0, 0, 0
        self.ended = 0

    def exposition(self) -> bytes:
        for number in range(10):
            self.observer.note("cache read", kind="run", hit=number < self.hits)
        self.ended += 10
        runs = {
            RunState.READY: 7,
            RunState.FAILED: self.ended // 10,
            RunState.SUCCEEDED: 9 * self.ended // 10,
        }
        census = {(NEXT.deployment, state): count for state, count in runs.items()}
        _, own = self.observer.exposition(census, 0.004)
        dated = round(1000 * (time.time() - BEHIND))
        return (
            own
            + (
                f"node_memory_MemTotal_bytes 1000\n"
                f"node_memory_MemAvailable_bytes {1000 * (1 - self.used)}\n"
                f'node_filesystem_size_bytes{{fstype="ext4"}} 100\nnode_filesystem_avail_bytes{{fstype="ext4"}} 60\n'
                f'node_filesystem_size_bytes{{fstype="tmpfs"}} 100\nnode_filesystem_avail_bytes{{fstype="tmpfs"}} 1\n'
                f'node_vmstat_oom_kill{{slot="blue"}} {self.kills}\n'
                f'trouble{{slot="blue"}} {self.trouble}\nintrusion {self.intrusion}\n'
                f"lag 0.2 {dated}\n"
            ).encode()
        )


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[World, Exporter]]:
    known = World()
    with exporting(known.exposition) as exporter:
        yield known, exporter


@pytest.fixture(scope="module")
def server(world: tuple[World, Exporter]) -> Iterator[PrometheusServer]:
    targets = {"watership": [world[1].address]}
    yield from started(lambda: PrometheusServer(targets=targets, rules={"ours": RULES}, interval="250ms"))


def asked(server: PrometheusServer, *feeds: Feed, about: Subject = NEXT) -> Told:
    return asyncio.run(PrometheusFeeds(HttpProbe(), server.url, SystemClock()).ask(feeds, about))


def until(
    server: PrometheusServer, good: Callable[[Told], bool], *feeds: Feed, about: Subject = NEXT
) -> Told:
    end = time.monotonic() + PATIENCE
    while True:
        told = asked(server, *feeds, about=about)
        if good(told) or time.monotonic() > end:
            assert good(told), told
            return told
        time.sleep(0.2)


def test_the_shipped_feeds_are_told_by_our_metrics_and_by_the_usual_exporters(
    world: tuple[World, Exporter], server: PrometheusServer
) -> None:
    told = until(server, lambda told: not told.unknown, *FEEDS)
    reading = told.reading

    assert reading.cpu is not None and 0 < reading.cpu < 2, "this very process exposes what it uses"
    assert reading.memory == pytest.approx(0.5) and reading.disk == pytest.approx(0.4)
    assert reading.cache_hit_rate == pytest.approx(0.9) and reading.query_time == 0.004
    events = {
        "unhandled_in_critical_path",
        "feature_failure",
        "out_of_memory",
        "security_breach",
        "warning_alert",
    }
    assert reading.happened == dict.fromkeys(events, False)
    assert fed(FEEDS) == {"cpu", "memory", "disk", "cache_hit_rate", "query_time", *events}


def test_what_is_not_scraped_of_a_side_is_not_known_of_it(server: PrometheusServer) -> None:
    until(server, lambda told: not told.unknown, *FEEDS)
    told = asked(server, *FEEDS, about=LIVE)

    ours = {
        "cpu",
        "cache_hit_rate",
        "query_time",
        "unhandled_in_critical_path",
        "feature_failure",
        "out_of_memory",
    }
    assert told.unknown.keys() == ours and all("gives nothing" in why for why in told.unknown.values())
    assert told.reading.cpu is None and told.reading.memory == pytest.approx(0.5), (
        "the machine is that of both"
    )


def test_events_are_told_of_the_side_that_they_are_about(
    world: tuple[World, Exporter], server: PrometheusServer
) -> None:
    known, _ = world
    known.observer.note("request failed", method="POST", route="/api/v1/messages", error="e")
    known.trouble, known.intrusion, known.kills = 1, 1, known.kills + 1
    try:
        told = until(server, lambda told: sum(told.reading.happened.values()) == 4, *FEEDS)
        assert {name for name, so in told.reading.happened.items() if not so} == {"feature_failure"}
        known.observer.note("request failed", method="GET", route="/api/v1/runs", error="e")
        until(server, lambda told: all(told.reading.happened.values()), *FEEDS)
        alerts = [each for each in FEEDS if isinstance(each, AlertFeed)]
        live = asked(server, *alerts, about=LIVE).reading.happened
        assert live == {"warning_alert": False, "security_breach": True}, (
            "Slow is about blue; Intrusion about nobody"
        )
    finally:
        known.trouble = known.intrusion = 0


def test_an_alert_whose_rule_is_not_there_is_not_known(server: PrometheusServer) -> None:
    told = asked(server, AlertFeed(of="feature_failure", labels={"severity": "nobody's"}))

    assert told.unknown == {"feature_failure": "no rule with severity=nobody's is loaded"}
    never = AlertFeed(of="warning_alert", labels={"severity": "warning"}, fresh=0.0)
    told = until(server, lambda told: bool(told.unknown), never)
    assert "was evaluated" in told.unknown["warning_alert"]


def test_each_figure_has_the_age_of_its_own_samples(
    world: tuple[World, Exporter], server: PrometheusServer
) -> None:
    known, exporter = world
    lag = FigureFeed(of="replication_lag", query="lag", sampled="min(timestamp(lag))")
    until(server, lambda told: not told.unknown, *FEEDS, lag)
    short = FigureFeed(of="replication_lag", query="lag", sampled="min(timestamp(lag))", fresh=BEHIND / 2)
    told = asked(server, short, *FEEDS)
    assert set(told.unknown) == {"replication_lag"}, "the others were sampled just now"
    assert told.unknown["replication_lag"].endswith("s is the limit")

    exporter.says = None
    try:
        # Who does not answer takes its series along, but for what it dated itself: that grows old.
        told = until(server, lambda told: "cpu" in told.unknown, *FEEDS, lag)
        assert told.reading.replication_lag == 0.2 and told.reading.memory is None
    finally:
        exporter.says = known.exposition


def test_a_feed_that_is_wrong_spoils_no_other(server: PrometheusServer) -> None:
    memory = next(each for each in FEEDS if each.of == "memory")
    wrong = FigureFeed(of="cpu", query="sum(", sampled="time()")
    many = EventFeed(
        of="out_of_memory", query='{__name__=~"up|scrape_duration_seconds"}', sampled="vector(time())"
    )
    nan = FigureFeed(of="query_time", query="vector(0) / 0", sampled="vector(time())")
    until(server, lambda told: told.reading.memory is not None, memory)
    told = asked(server, wrong, many, nan, memory)

    assert told.reading.memory is not None and set(told.unknown) == {"cpu", "out_of_memory", "query_time"}
    assert "refuses" in told.unknown["cpu"] and "one is needed" in told.unknown["out_of_memory"]
    assert "NaN" in told.unknown["query_time"]


async def test_a_prometheus_that_does_not_answer_tells_nothing() -> None:
    told = await PrometheusFeeds(HttpProbe(), "http://127.0.0.1:1", SystemClock()).ask(FEEDS, NEXT)

    assert set(told.unknown) == fed(FEEDS) and told.reading.happened == {}


def test_our_own_exposition_is_read_without_a_prometheus_too() -> None:
    known = World()
    text = known.exposition().decode()
    known.observer.note("request failed", method="POST", route="/api/v1/messages", error="e")
    found, later = read(text), read(known.exposition().decode())

    assert (found.hits, found.reads, found.critical, found.other, found.query_time) == (9, 10, 0, 0, 0.004)
    assert (later.hits, later.reads, later.critical) == (18, 20, 1)
    assert read("up 1\n") == read("")


def test_the_feeds_of_the_documentation_are_feeds_and_those_of_our_metrics_are_told(
    server: PrometheusServer,
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "gate.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(schema: watership/feeds/v1.*?)```", page, re.DOTALL)
    feeds = parse(block.encode(), Feeds, source="gate.md").feeds
    ours = [each for each in feeds if each.of in ("queue_depth", "run_failure_rate")]
    told = until(server, lambda told: not told.unknown, *ours)

    assert told.reading.queue_depth == 7
    assert told.reading.run_failure_rate == pytest.approx(0.1, abs=0.02)
