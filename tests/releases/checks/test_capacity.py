"""Capacity: what a load test got through, and what is asked for, against the load that was seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.checklist.orchestrator import Prometheus
from tests.checklist.papers import k6
from tests.releases.checks.scenes import Looker
from tests.releases.plans import a_plan
from watership.releases.book.quantity import Given
from watership.testing.servers import free_port
from watership.testing.standin import StandIn

SEEN: dict[str, Given] = {"of": "prometheus", "query": "peak"}
TEST: dict[str, Given] = {**SEEN, "report": "k.json", "headroom": 0.5, "failed_below": 0.01}
ASKED: dict[str, Given] = {**SEEN, "path": "capacity.md", "section": "Peak load"}


@pytest.fixture
def prometheus(looker: Looker) -> Iterator[Prometheus]:
    with StandIn() as server:
        there = Prometheus(server, "/prometheus")
        there.values["peak"] = 600.0
        looker.named("prometheus", there.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield there


def tested(looker: Looker, *, rate: float = 1000.0, bad: float = 0.0004, **more: Any) -> None:
    told = {**k6(5000, 600.0), "build": a_plan().next.build.digest, **more}
    told["metrics"]["http_reqs"]["values"]["rate"] = rate
    told["metrics"]["http_req_failed"]["values"]["rate"] = bad
    looker.write("k.json", msgspec.json.encode(told))


def test_capacity_is_what_was_answered_well_with_room_above_the_peak(
    looker: Looker, prometheus: Prometheus
) -> None:
    looker.unsure("capacity.assessed", "There is no report", **TEST)
    tested(looker)
    assert "the peak was 600, and 900 are wanted" in looker.passes("capacity.assessed", **TEST)
    tested(looker, rate=880.0)
    looker.fails("capacity.assessed", "880 requests per second were answered well", **TEST)
    tested(looker, rate=5000.0, bad=0.5)
    looker.fails("capacity.assessed", "50 % failed", **TEST)
    tested(looker, build="sha256:other")
    looker.fails("capacity.assessed", "it is about sha256:other", **TEST)
    tested(looker)
    prometheus.values["peak"] = 0.0
    looker.unsure("capacity.assessed", "has seen no load", **TEST)
    looker.unsure("capacity.assessed", "no answer", **{**TEST, "of": "nobody"})


def test_a_requirement_below_what_was_seen_is_none(looker: Looker, prometheus: Prometheus) -> None:
    looker.fails("capacity.required", "There is no capacity.md", **ASKED)
    looker.write(
        "capacity.md", "## Peak load\n\n400 requests per second were seen; 1,100 requests per second.\n"
    )
    assert "1,100 requests per second are required" in looker.passes("capacity.required", **ASKED)
    prometheus.values["peak"] = 1200.0
    looker.fails("capacity.required", "1,200 were seen", **ASKED)
    looker.unsure("capacity.required", "no answer", **{**ASKED, "of": "nobody"})
    looker.unsure("capacity.required", "has seen no load", **{**ASKED, "query": "nothing"})
    looker.write("capacity.md", "## Peak load\n\nMany requests per second.\n")
    looker.fails("capacity.required", "states no number", **ASKED)
