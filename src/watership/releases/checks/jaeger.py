"""Traces are made, taken, kept and found: Jaeger is sent one, and asked for it and for those of the services."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct, field

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import listed, percent, spoken
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, excerpt, failed, found, inconclusive

PROBE = "watership-check"
"""The service that test traces are of."""

SDK = "telemetry.sdk.name"


class _Tag(Struct):
    key: str
    value: object = None


class _Process(Struct, rename="camel"):
    service_name: str
    tags: list[_Tag] = field(default_factory=list)


class _Span(Struct, rename="camel"):
    operation_name: str = ""
    process_id: str = field(default="", name="processID")


class _Trace(Struct):
    spans: list[_Span] = field(default_factory=list)
    processes: dict[str, _Process] = {}


class _Traces(Struct):
    data: list[_Trace] | None = None


class _Probabilistic(Struct, rename="camel"):
    sampling_rate: float


class _Sampling(Struct, rename="camel"):
    probabilistic_sampling: _Probabilistic | None = None


@check(
    "traces.instrumented",
    adapted=True,
    good_for="4h",
    fix="Start the service with its instrumentation: OTEL_… is set.",
)
async def instrumented(scene: Scene, *, of: str, services: str, within: float) -> Finding:
    """Each of `services` (commas between) has sent a trace `within` that time, through a telemetry SDK."""
    wrong = []
    end = scene.now().timestamp()
    for service in listed(services):
        times = {"start": f"{1e6 * (end - within):.0f}", "end": f"{1e6 * end:.0f}"}
        path = f"/api/traces?{urlencode({'service': service, 'limit': '5', **times})}"
        traces = shaped(of, await scene.json(of, path), _Traces).data or []
        processes = [each for trace in traces for each in trace.processes.values()]
        own = [each for each in processes if each.service_name == service]
        if not own:
            wrong.append(f"{service} has sent no trace within {spoken(within)}")
        elif not any(tag.key == SDK for each in own for tag in each.tags):
            wrong.append(f"{service} sends traces through no telemetry SDK ({SDK})")
    return judged(wrong, f"{services}: each has sent traces within {spoken(within)}.")


@check(
    "traces.distributed",
    adapted=True,
    good_for="4h",
    fix="Let each service take the traceparent that it is given, and pass it on.",
)
async def distributed(scene: Scene, *, of: str, services: str, within: float, at_most: int = 100) -> Finding:
    """Of the last `at_most` traces of the first of `services` `within` that time, one went through each of them: it has
    spans of all, so that a request is seen on its whole way."""
    names = listed(services)
    if len(names) < 2:
        raise BadInput("A trace is distributed over two services at least.")
    end = scene.now().timestamp()
    times = {"start": f"{1e6 * (end - within):.0f}", "end": f"{1e6 * end:.0f}"}
    path = f"/api/traces?{urlencode({'service': names[0], 'limit': str(at_most), **times})}"
    ways = [_way(trace) for trace in shaped(of, await scene.json(of, path), _Traces).data or []]
    if not ways:
        return failed(f"{names[0]} has sent no trace within {spoken(within)}.")
    whole = sum(way >= set(names) for way in ways)
    furthest = max(ways, key=lambda way: len(way & set(names)))
    words = f"{whole} of {len(ways)} traces of {names[0]} went through {services}"
    return found(
        whole > 0,
        f"{words}; the furthest went through {', '.join(sorted(furthest)) or 'none'}.",
        traces=whole,
    )


def _way(trace: _Trace) -> set[str]:
    """The services that spans of a trace are of."""
    return {
        trace.processes[span.process_id].service_name
        for span in trace.spans
        if span.process_id in trace.processes
    }


@check(
    "traces.sampled",
    adapted=True,
    good_for="24h",
    fix="Set the strategy of the service in the sampling file.",
)
async def sampled(scene: Scene, *, of: str, service: str, at_least: float, at_most: float) -> Finding:
    """The share of the traces of `service` that is kept, as its SDK is told, lies from `at_least` to `at_most`."""
    told = shaped(of, await scene.json(of, f"/sampling?{urlencode({'service': service})}"), _Sampling)
    if told.probabilistic_sampling is None:
        return inconclusive(f"{of} tells no share of the traces of {service}.")
    rate = told.probabilistic_sampling.sampling_rate
    bounds = f"{percent(at_least)} to {percent(at_most)}"
    words = f"{percent(rate)} of the traces of {service} are kept; {bounds} are wanted."
    return found(at_least <= rate <= at_most, words, rate=rate)


@check("traces.flow", adapted=True, good_for="4h", fix="Look at the collector's log, and at its queue.")
async def flow(scene: Scene, *, collector: str, of: str, within: float) -> Finding:
    """A trace that is sent to the collector by OTLP is found by Jaeger `within` that time, with its span."""
    digest = hashlib.sha256(f"{scene.key} {scene.now().isoformat()}".encode()).hexdigest()
    trace, span, name = digest[:32], digest[32:48], f"probe before {scene.plan.next.build.version}"
    answer = await scene.ask("POST", collector, "/v1/traces", body=_sent(scene, trace, span, name))
    if answer.status != 200:
        return failed(f"{collector} answered {answer.status}: {excerpt(answer.body)}")
    began = scene.clock.monotonic()

    async def there() -> bool:
        told = await scene.get(of, f"/api/traces/{trace}")
        if told.status == 404:
            return False
        if told.status != 200:
            raise Unavailable(f"{of} answered {told.status} to the question for a trace.")
        traces = shaped(of, await scene.json(of, f"/api/traces/{trace}"), _Traces).data or []
        return any(each.operation_name == name for one in traces for each in one.spans)

    seen = await scene.until(there, min(within, scene.timeout / 2))
    took = scene.clock.monotonic() - began
    words = f"found after {took:.2g} s" if seen else f"is not found within {spoken(within)}"
    return found(seen, f"The trace {trace} was taken, and {words}.", seconds=took)


def _sent(scene: Scene, trace: str, span: str, name: str) -> dict[str, Any]:
    """One span as OTLP writes it in JSON."""
    end = round(scene.sent_at().timestamp() * 1e9)
    times = {"startTimeUnixNano": str(end - 1_000_000), "endTimeUnixNano": str(end)}
    one = {"traceId": trace, "spanId": span, "name": name, "kind": 1, **times}
    service = {"key": "service.name", "value": {"stringValue": PROBE}}
    spans = [{"scope": {"name": PROBE}, "spans": [one]}]
    return {"resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": spans}]}
