"""Readings from a Prometheus: what its API answers becomes bins, and what it does not have stays unknown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.prometheus.api import Answer, Prometheus, constant, serving, success
from watership.adapters.http.probe import HttpProbe
from watership.adapters.prometheus.readings import PrometheusReadings
from watership.errors import BadInput, Unavailable
from watership.releases.service.readings import assess
from watership.releases.service.sla import Errors, Latency, Level, Sla, Uptime, overall
from watership.releases.verdict import Verdict

NOW = 1_800_000_000.0

UP = Uptime(id="up", title="Up", at_least=0.9995, over=3600.0, up="avg_over_time(max(up)[$step:15s])")
ERRORS = Errors(id="errors", title="Errors", below=0.001, over=3600.0, bad="bad[$step]", all="all[$step]")
FAST = Latency(
    id="fast",
    title="Fast",
    quantile=0.95,
    below=0.2,
    over=3600.0,
    slow="slow",
    all="all",
    figure="figure[$recent]",
)
CPU = Level(id="cpu", title="CPU", of="cpu", share_below=0.6, over=300.0, value="cpu")


@pytest.fixture(scope="module")
def server() -> Iterator[Prometheus]:
    with serving() as known:
        yield known


@pytest.fixture
def prometheus(server: Prometheus) -> Prometheus:
    server.says.clear()
    server.asked.clear()
    return server


@pytest.fixture
def readings(prometheus: Prometheus) -> PrometheusReadings:
    return PrometheusReadings(HttpProbe(), prometheus.url + "/")


async def test_a_window_is_asked_for_in_its_steps(
    prometheus: Prometheus, readings: PrometheusReadings
) -> None:
    prometheus.says["avg_over_time"] = constant("0.9")

    reading = await readings.read(UP, NOW)

    assert len(reading.bins) == 12
    assert (reading.bins[-1].at, reading.bins[-1].of) == (NOW, 300.0)
    assert reading.bins[-1].bad == pytest.approx(30.0)
    assert prometheus.asked == [
        {
            "query": "avg_over_time(max(up)[300000ms:15s])",
            "start": "1799996700.000",
            "end": "1800000000.000",
            "step": "300.000",
        }
    ]


async def test_a_step_that_one_of_two_series_lacks_is_not_known(
    prometheus: Prometheus, readings: PrometheusReadings
) -> None:
    prometheus.says = {"bad": constant("2", missing=5), "all": constant("1000")}

    reading = await readings.read(ERRORS, NOW)

    assert [(each.bad, each.of) for each in reading.bins] == [(2.0, 1000.0)] * 7


async def test_the_quantile_is_told_beside_the_slow_requests(
    prometheus: Prometheus, readings: PrometheusReadings
) -> None:
    prometheus.says = {"slow": constant("-0.0000001"), "all": constant("500"), "figure": constant("0.145")}

    reading = await readings.read(FAST, NOW)

    assert (reading.figure, reading.bins[0].bad) == (0.145, 0.0)
    assert prometheus.asked[-1]["query"] == "figure[3600000ms]"
    prometheus.says["figure"] = constant("NaN")
    assert (await readings.read(FAST, NOW)).figure is None
    prometheus.says["figure"] = lambda _: (422, {"status": "error", "error": "too many samples"})
    reading = await readings.read(FAST, NOW)
    assert (reading.figure, len(reading.bins)) == (None, 12), "what is judged is known all the same"


@pytest.mark.parametrize(
    "says",
    [
        lambda asked: (200, success([])),
        lambda asked: (200, success([{"metric": {}, "values": []}])),
        constant("NaN"),
        constant("+Inf"),
    ],
    ids=["no series", "no samples", "NaN", "infinite"],
)
async def test_what_is_not_there_or_is_no_number_is_no_bin(
    prometheus: Prometheus, readings: PrometheusReadings, says: Answer
) -> None:
    prometheus.says = {"": says}

    for objective in (UP, ERRORS, CPU):
        assert (await readings.read(objective, NOW)).bins == ()


@pytest.mark.parametrize(
    ("says", "error", "words"),
    [
        (lambda _: (400, {"status": "error", "error": "parse error"}), BadInput, "parse error"),
        (lambda _: (422, {"status": "error", "error": "too many samples"}), BadInput, "too many samples"),
        (lambda _: (503, {"status": "error", "error": "timed out"}), Unavailable, "answers 503: timed out"),
        (lambda _: (200, b"<html>a proxy</html>"), Unavailable, "does not answer as a Prometheus"),
        (lambda _: (200, success([], warnings=["a store is away"])), Unavailable, "is not whole"),
        (lambda _: (200, success([{"metric": {}}, {"metric": {}}])), BadInput, "gives 2 series"),
        (lambda _: (200, success([{"metric": {}, "values": [[NOW, "many"]]}])), Unavailable, "no number"),
        (constant("2"), BadInput, "is it a count"),
    ],
)
async def test_an_answer_that_is_none_says_why(
    prometheus: Prometheus, readings: PrometheusReadings, says: Answer, error: type[Exception], words: str
) -> None:
    prometheus.says = {"": says}

    with pytest.raises(error, match=words):
        await readings.read(UP, NOW)


async def test_a_difference_the_wrong_way_is_no_number_of_requests(
    prometheus: Prometheus, readings: PrometheusReadings
) -> None:
    prometheus.says = {"bad": constant("-3"), "all": constant("1000")}

    with pytest.raises(BadInput, match="cannot be -3"):
        await readings.read(ERRORS, NOW)


async def test_a_prometheus_that_is_not_there_leaves_everything_unknown() -> None:
    sla = Sla(schema="watership/sla/v1", objectives=(UP, ERRORS, FAST, CPU))
    found = await assess(sla, PrometheusReadings(HttpProbe(), "http://127.0.0.1:9"), NOW)

    assert {each.verdict for each in found} == {Verdict.INCONCLUSIVE}
    assert all("got no answer" in each.reason for each in found)


async def test_a_service_that_keeps_its_promise_is_ok(
    prometheus: Prometheus, readings: PrometheusReadings
) -> None:
    prometheus.says = {
        "avg_over_time": constant("1"),
        "bad": constant("0"),
        "slow": constant("10"),
        "all": constant("1000"),
        "figure": constant("0.1"),
        "cpu": constant("0.3"),
    }
    found = await assess(Sla(schema="watership/sla/v1", objectives=(UP, ERRORS, FAST, CPU)), readings, NOW)

    assert overall(found) is Verdict.PASSED, found
