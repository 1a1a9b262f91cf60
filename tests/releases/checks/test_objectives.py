"""What the SLA promises, against what was agreed; and whether its series are there."""

from __future__ import annotations

import pytest

from tests.checklist.orchestrator import Prometheus
from tests.checklist.whole import kept
from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.releases.book.shelf import beside
from watership.testing.servers import PrometheusServer, free_port
from watership.testing.standin import StandIn

PROMISED: list[tuple[dict[str, Given], dict[str, Given]]] = [
    ({"kind": "uptime", "at_least": 0.9995}, {"kind": "uptime", "at_least": 0.9999}),
    ({"kind": "errors", "below": 0.001}, {"kind": "errors", "below": 0.0005}),
    (
        {"kind": "latency", "quantile": 0.95, "below": 0.2},
        {"kind": "latency", "quantile": 0.99, "below": 0.2},
    ),
    ({"kind": "latency", "below": 0.3}, {"kind": "latency", "below": 0.1}),
    ({"kind": "goal", "at_least": 10_000}, {"kind": "goal", "at_least": 20_000}),
    ({"kind": "level", "below": 1000}, {"kind": "level", "below": 0.1}),
]


@pytest.mark.parametrize(("kept", "broken"), PROMISED)
def test_a_promise_is_kept_by_as_much_or_more(
    looker: Looker, kept: dict[str, Given], broken: dict[str, Given]
) -> None:
    looker.write("sla.yaml", beside("agent-orchestrator", "sla.yaml"))
    looker.passes("sla.promises", path="sla.yaml", **kept)
    looker.fails("sla.promises", "promises", path="sla.yaml", **broken)


def test_what_is_not_promised_or_not_written_does_not_pass(looker: Looker) -> None:
    looker.unsure("sla.promises", "There is no sla.yaml", path="sla.yaml", kind="uptime")
    looker.write("sla.yaml", "schema: watership/sla/v1\nobjectives: []\n")
    looker.unsure("sla.promises", "sla.yaml:", path="sla.yaml", kind="uptime")
    goal = "{ kind: goal, id: it, title: It, at_least: 1, over: 5m, value: sum(up) }"
    looker.write("sla.yaml", f"schema: watership/sla/v1\nobjectives:\n  - {goal}\n")
    looker.fails("sla.promises", "no objective of the kind uptime", path="sla.yaml", kind="uptime")
    looker.unsure("sla.promises", "No objective is of the kind", path="sla.yaml", kind="speed")


def test_an_objective_without_a_number_is_not_tracked(
    looker: Looker, prometheus_server: PrometheusServer
) -> None:
    looker.named("prometheus", prometheus_server.url)
    looker.named("nobody", f"http://127.0.0.1:{free_port()}")

    def sla(expression: str) -> str:
        goal = f"{{ kind: goal, id: it, title: It, at_least: 1, over: 5m, value: {expression} }}"
        return f"schema: watership/sla/v1\nobjectives:\n  - {goal}\n"

    looker.write("sla.yaml", sla("vector(3)"))
    looker.passes("sla.tracked", of="prometheus", path="sla.yaml")
    looker.unsure("sla.tracked", "no answer", of="nobody", path="sla.yaml")
    for expression in ("nothing_like_it", "vector(NaN)", "sum(rate(nothing_like_it[$step]))"):
        looker.write("sla.yaml", sla(f'"{expression}"'))
        looker.fails("sla.tracked", "'It' has no number", of="prometheus", path="sla.yaml")
    looker.write("sla.yaml", sla('"sum("'))
    looker.unsure("sla.tracked", "400", of="prometheus", path="sla.yaml")


def test_what_is_promised_has_to_have_been_kept(looker: Looker) -> None:
    looker.write("sla.yaml", beside("agent-orchestrator", "sla.yaml"))
    asked: dict[str, Given] = {"of": "prometheus", "path": "sla.yaml", "over": 86400.0}
    with StandIn() as server:
        there = Prometheus(server, "/prometheus")
        looker.named("prometheus", there.url)
        looker.unsure("sla.met", "'Availability': no number", **asked)
        kept(there)
        assert "Availability 100 %" in looker.passes("sla.met", **asked)
        up, slow, bad = (
            next(query for query in there.values if word in query) for word in ("up{", 'le="0.2"', "5..")
        )
        for query, value, words in (
            (up, 0.999, "'Availability' is"),
            (slow, 4_001.0, "'Response time' is"),
            (bad, 91.0, "'Error rate' is"),
        ):
            before, there.values[query] = there.values[query], value
            looker.fails("sla.met", words, **asked)
            there.values[query] = before
        requests = next(
            query for query in there.values if query.startswith("sum(increase(http_requests_total[")
        )
        there.values[requests] = 2_999.0
        looker.unsure("sla.met", "2,999 requests are too few", **asked)
    looker.unsure("sla.met", "no answer", **asked)
