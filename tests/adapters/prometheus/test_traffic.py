"""Traffic by Prometheus: what counters grew by between scrapes, and nothing where one was missed or began anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.adapters.prometheus.api import Prometheus, serving, success
from tests.adapters.prometheus.exporter import Exporter, exporting
from tests.conftest import started
from watership.adapters.http.probe import HttpProbe
from watership.adapters.prometheus import PrometheusObserver
from watership.adapters.prometheus.traffic import PrometheusMetrics, Selectors, spans
from watership.config import MetricsSettings
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.judging.traffic import counts
from watership.releases.ports import TrafficTick
from watership.testing.servers import PrometheusServer

PATIENCE = 30.0
LATELY = 3
"""Seconds of the test before, in which all was well."""
DEFAULT = MetricsSettings()
SELECTORS = Selectors(
    targets=DEFAULT.targets,
    requests=DEFAULT.requests,
    failed=DEFAULT.failed,
    values=DEFAULT.values,
    latencies=DEFAULT.latencies,
)
Told = Mapping[Slot, Sequence[TrafficTick]]


# --- a real Prometheus --------------------------------------------------------------------------------------------


class Service:
    """Answers ten requests before each scrape, as our service counts them; `failing` of them fail, from when a test
    says so. Its probes are asked too, and are no traffic."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.failing = 0
        self.begin()

    def begin(self) -> None:
        """The process begins anew, and with it its counters."""
        self.answered = 0
        self._observer = PrometheusObserver(version="2.1.0", deployment=f"d-{self.slot}", slot=self.slot)

    def exposition(self) -> bytes:
        for number in range(10):
            code = 500 if number < self.failing else 200
            facts: dict[str, Any] = {"method": "POST", "code": code, "seconds": 0.3}
            self._observer.note("http request", route="/api/v1/messages", **facts)
        self._observer.note("http request", route="/health", method="GET", code=503, seconds=9.0)
        self.answered += 10
        return self._observer.exposition()[1]


@pytest.fixture(scope="module")
def services() -> Iterator[dict[Slot, tuple[Service, Exporter]]]:
    with ExitStack() as stack:
        there = {slot: Service(slot) for slot in Slot}
        yield {slot: (each, stack.enter_context(exporting(each.exposition))) for slot, each in there.items()}


@pytest.fixture(scope="module")
def metrics(services: dict[Slot, tuple[Service, Exporter]]) -> Iterator[PrometheusMetrics]:
    targets = [exporter.address for _, exporter in services.values()]
    for server in started(lambda: PrometheusServer(targets={"watership": targets}, interval="250ms")):
        yield PrometheusMetrics(HttpProbe(), server.url, SELECTORS, every=1, clock=SystemClock())


def until(metrics: PrometheusMetrics, since: int, good: Callable[[Told], bool]) -> Told:
    """Ask for all seconds since then, until it is so."""
    end = time.monotonic() + PATIENCE
    while True:
        told = asyncio.run(metrics.ticks(after=since, until=int(time.time()) - 1))
        if good(told) or time.monotonic() > end:
            assert good(told), told
            return told
        time.sleep(0.2)


def enough(told: Told) -> bool:
    return all(len(ticks) >= 3 for ticks in told.values())


def test_what_was_counted_between_scrapes_comes_as_ticks_that_both_slots_tell_of(
    services: dict[Slot, tuple[Service, Exporter]], metrics: PrometheusMetrics
) -> None:
    told = until(metrics, int(time.time()), enough)

    for ticks in told.values():
        # Four scrapes a second or so, of ten requests each: no request is told of that was not counted, nor twice.
        assert all(tick.requests % 10 == 0 and tick.errors == 0 and tick.span == 1 for tick in ticks)
        assert 0 < sum(tick.requests for tick in ticks) / len(ticks) <= 60
        assert all(sum(tick.latencies.values()) == tick.requests for tick in ticks)
        assert all(counts(tick, 0.25).slow == tick.requests for tick in ticks), "0.3 s are more than 0.25 s"
        assert all(counts(tick, 0.5).slow == 0 for tick in ticks)
    assert {tick.second for tick in told[Slot.BLUE]} & {tick.second for tick in told[Slot.GREEN]}


def test_the_first_errors_of_a_series_that_was_not_there_before_are_counted(
    services: dict[Slot, tuple[Service, Exporter]], metrics: PrometheusMetrics
) -> None:
    service, _ = services[Slot.BLUE]
    since = int(time.time()) - LATELY
    service.failing = 3
    try:
        told = until(metrics, since, lambda told: sum(tick.errors > 0 for tick in told[Slot.BLUE]) >= 3)
    finally:
        service.failing = 0
    blue = told[Slot.BLUE]
    first = next(index for index, tick in enumerate(blue) if tick.errors)

    assert all(tick.errors == 0 for tick in blue[:first])
    assert all(tick.errors * 10 == tick.requests * 3 for tick in blue[first + 1 :])
    assert blue[first].errors % 3 == 0 and blue[first].errors > 0, "and so is the second in which they began"
    assert all(tick.errors == 0 for tick in told[Slot.GREEN])


def test_a_service_that_began_anew_leaves_a_gap_and_no_invented_number(
    services: dict[Slot, tuple[Service, Exporter]], metrics: PrometheusMetrics
) -> None:
    service, _ = services[Slot.BLUE]
    since = int(time.time()) - LATELY
    service.begin()
    at = time.time()

    told = until(metrics, since, lambda told: bool(told[Slot.BLUE]) and told[Slot.BLUE][-1].second > at + 3)
    seconds = {tick.second for tick in told[Slot.BLUE]}
    missing = set(range(min(seconds), max(seconds))) - seconds

    # A busy machine may miss a scrape elsewhere too.
    assert any(abs(second - at) <= 2 for second in missing)
    assert all(0 < tick.requests <= 80 for tick in told[Slot.BLUE])


def test_of_a_target_that_does_not_answer_nothing_is_known_and_the_other_slot_goes_on(
    services: dict[Slot, tuple[Service, Exporter]], metrics: PrometheusMetrics
) -> None:
    service, exporter = services[Slot.BLUE]
    since = int(time.time()) - LATELY
    exporter.says = None
    try:
        at = time.time()
        told = until(metrics, since, lambda told: told[Slot.GREEN][-1].second > at + 3)
        assert all(tick.second <= at for tick in told[Slot.BLUE])
    finally:
        exporter.says = service.exposition


# --- scrapes that a test chooses ----------------------------------------------------------------------------------

NOW = 1_800_000_000
EVERY = 15


class Fixed(SystemClock):
    def now(self) -> datetime:
        return datetime.fromtimestamp(NOW, UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Prometheus]:
    with serving() as known:
        yield known


def scraped(
    server: Prometheus,
    values: Mapping[int, float | None],
    *,
    codes: Sequence[str] = ("200",),
    label: str = "code",
) -> Told:
    """What is told of a slot whose one target was scraped at these seconds before now, and had counted so much."""
    times = sorted(values, reverse=True)

    def series(metric: dict[str, str], of: Mapping[int, float | None]) -> dict[str, object]:
        known = [[NOW - ago, str(value)] for ago in times if (value := of[ago]) is not None]
        return {"metric": {"job": "app", "instance": "a:1", **metric}, "values": known}

    there = [series({}, dict.fromkeys(times, 1.0))]
    counted = [series({label: code}, values) for code in codes]
    server.says = {
        DEFAULT.targets.replace("$slot", "blue"): lambda _: (200, success(there)),
        "http_requests_total": lambda _: (200, success(counted)),
    }
    metrics = PrometheusMetrics(HttpProbe(), server.url, SELECTORS, every=EVERY, clock=Fixed())
    return asyncio.run(metrics.ticks(after=NOW - 90, until=NOW - 1))


def ends(told: Told) -> list[tuple[int, int]]:
    return [(tick.second - NOW, tick.requests) for tick in told[Slot.BLUE]]


def test_a_tick_covers_the_span_between_scrapes_once_the_scrape_after_it_is_there(server: Prometheus) -> None:
    told = scraped(server, {ago: 1000.0 - 10 * ago for ago in range(5, 120, 15)})

    # Scrapes at -95, -80 … -5; the spans end at -75, -60 … -15, and the last has a scrape after it.
    assert ends(told) == [(end, 150) for end in (-75, -60, -45, -30, -15)]
    assert all(tick.span == EVERY for tick in told[Slot.BLUE]) and not told[Slot.GREEN]


def test_a_scrape_that_was_missed_hides_its_span_and_the_one_that_has_it_for_its_beginning(
    server: Prometheus,
) -> None:
    told = scraped(server, {ago: 1000.0 - 10 * ago for ago in range(5, 120, 15) if ago != 50})

    assert ends(told) == [(end, 150) for end in (-75, -60, -15)]


def test_a_counter_that_fell_hides_its_span_and_one_that_was_not_there_began_with_nothing(
    server: Prometheus,
) -> None:
    fell = {ago: (1000.0 if ago > 50 else 1000.0 - 10 * ago) for ago in range(5, 120, 15)}
    came = {ago: (None if ago > 50 else 30.0) for ago in range(5, 120, 15)}

    assert ends(scraped(server, fell)) == [(-75, 0), (-60, 0), (-30, 150), (-15, 150)]
    assert ends(scraped(server, came)) == [(-75, 0), (-60, 0), (-45, 30), (-30, 0), (-15, 0)]


def test_what_does_not_say_how_a_request_ended_is_refused_and_not_taken_for_good(server: Prometheus) -> None:
    with pytest.raises(Unavailable, match="has no label 'code'"):
        scraped(server, dict.fromkeys(range(5, 120, 15), 1000.0), label="status")


def test_spans_lie_wholly_within_what_is_asked_for() -> None:
    assert list(spans(0, 60, 15)) == [15, 30, 45, 60]
    assert list(spans(1, 59, 15)) == [30, 45]
    with pytest.raises(BadInput):
        PrometheusMetrics(HttpProbe(), "http://127.0.0.1:1", SELECTORS, every=0, clock=Fixed())
