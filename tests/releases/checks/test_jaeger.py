"""Jaeger: a trace that is sent is found, services are seen to send theirs, and a share is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.checklist.observed import Jaeger
from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked


@pytest.fixture
def jaeger(looker: Looker) -> Iterator[Jaeger]:
    with Jaeger() as server:
        looker.named("jaeger", server.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield server


def test_a_trace_goes_all_the_way(looker: Looker, jaeger: Jaeger) -> None:
    looker.passes("traces.flow", collector="jaeger", of="jaeger", within=5.0)
    (trace,) = jaeger.traces
    assert len(trace) == 32 and int(trace, 16)
    taken = jaeger.routes["POST /v1/traces"]

    def emptied(asked: Asked) -> Answer:
        assert callable(taken)
        answer = taken(asked)
        for each in jaeger.traces.values():
            each["spans"] = []
        return answer

    jaeger.routes["POST /v1/traces"] = emptied
    looker.fails("traces.flow", "is not found within 200ms", collector="jaeger", of="jaeger", within=0.2)
    jaeger.routes["POST /v1/traces"] = Answer({"partialSuccess": {}})
    looker.fails("traces.flow", "is not found within 200ms", collector="jaeger", of="jaeger", within=0.2)
    jaeger.routes["POST /v1/traces"] = Answer({"code": 8, "message": "queue is full"}, 503)
    looker.fails("traces.flow", "queue is full", collector="jaeger", of="jaeger", within=0.2)
    for way in ({"collector": "nobody", "of": "jaeger"}, {"collector": "jaeger", "of": "nobody"}):
        jaeger.routes["POST /v1/traces"] = Answer({"partialSuccess": {}})
        looker.unsure("traces.flow", "no answer", within=0.2, **way)


def traces(service: str, *tags: str) -> Answer:
    process = {"serviceName": service, "tags": [{"key": tag, "value": "it"} for tag in tags]}
    return Answer({"data": [{"spans": [], "processes": {"p1": process}}]})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer({"data": []}), "has sent no trace within 1h"),
        (Answer({"data": None}), "has sent no trace within 1h"),
        (traces("another", "telemetry.sdk.name"), "has sent no trace within 1h"),
        (traces("ours", "host.name"), "through no telemetry SDK"),
    ],
)
def test_a_service_without_instrumentation_is_found(
    looker: Looker, jaeger: Jaeger, answer: Answer, words: str
) -> None:
    jaeger.routes["GET /api/traces"] = traces("ours", "telemetry.sdk.name")
    looker.passes("traces.instrumented", of="jaeger", services="ours", within=3600.0)
    jaeger.routes["GET /api/traces"] = answer
    looker.fails("traces.instrumented", words, of="jaeger", services="ours", within=3600.0)
    looker.unsure("traces.instrumented", "no answer", of="nobody", services="ours", within=3600.0)


def through(*services: str) -> dict[str, Any]:
    """A trace with a span of each of the services."""
    processes = {f"p{number}": {"serviceName": service} for number, service in enumerate(services)}
    return {
        "spans": [{"operationName": "it", "processID": each} for each in processes],
        "processes": processes,
    }


def test_a_trace_that_goes_through_every_service_is_distributed(looker: Looker, jaeger: Jaeger) -> None:
    asked: dict[str, Any] = {"of": "jaeger", "services": "ours, worker", "within": 3600.0}
    jaeger.routes["GET /api/traces"] = Answer({"data": [through("ours"), through("ours", "worker")]})
    assert "1 of 2 traces of ours" in looker.passes("traces.distributed", **asked)
    alone = through("ours") | {"processes": through("ours", "worker")["processes"]}
    jaeger.routes["GET /api/traces"] = Answer({"data": [through("ours"), alone]})
    looker.fails("traces.distributed", "0 of 2 traces of ours went through ours, worker", **asked)
    jaeger.routes["GET /api/traces"] = Answer({"data": []})
    looker.fails("traces.distributed", "has sent no trace within 1h", **asked)
    looker.unsure("traces.distributed", "over two services", **(asked | {"services": "ours"}))
    looker.unsure("traces.distributed", "no answer", **(asked | {"of": "nobody"}))


def test_a_share_of_the_traces_is_kept(looker: Looker, jaeger: Jaeger) -> None:
    bounds: dict[str, Any] = {"service": "ours", "at_least": 0.01, "at_most": 0.5}
    for rate, check in ((0.1, looker.passes), (0.001, None), (1.0, None)):
        told = {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": rate}}
        jaeger.routes["GET /sampling"] = Answer(told)
        if check:
            check("traces.sampled", of="jaeger", **bounds)
        else:
            looker.fails("traces.sampled", "are wanted", of="jaeger", **bounds)
    limited = {"strategyType": "RATE_LIMITING", "rateLimitingSampling": {"maxTracesPerSecond": 2}}
    jaeger.routes["GET /sampling"] = Answer(limited)
    looker.unsure("traces.sampled", "tells no share", of="jaeger", **bounds)
    looker.unsure("traces.sampled", "no answer", of="nobody", **bounds)
