"""What a real Prometheus says of the time of a load test."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.checklist.papers import ago, k6
from tests.checklist.world import points
from tests.releases.checks.scenes import Looker
from watership.testing.servers import PrometheusServer, free_port

ASKED = {"report": "k6.json", "of": "prometheus"}


@pytest.fixture
def loaded(looker: Looker, prometheus_server: PrometheusServer) -> Looker:
    looker.named("prometheus", prometheus_server.url)
    looker.named("nobody", f"http://127.0.0.1:{free_port()}")
    looker.write("k6.json", json.dumps({**k6(1000, 600.0), "ended_at": ago(hours=1)}))
    return looker


def test_a_number_keeps_its_bounds_at_each_moment_of_the_load_test(loaded: Looker) -> None:
    loaded.passes("load.meanwhile", **ASKED, query="vector(0.5)", below=0.8, at_least=0.2)
    loaded.fails("load.meanwhile", "below 0.5 is wanted", **ASKED, query="vector(0.5)", below=0.5)
    loaded.fails("load.meanwhile", "at least 0.6 is wanted", **ASKED, query="vector(0.5)", at_least=0.6)
    loaded.unsure("load.meanwhile", "has no bound", **ASKED, query="vector(0.5)")
    ended = datetime.fromisoformat(json.loads((loaded.root / "k6.json").read_text())["ended_at"]).timestamp()
    rising = f"vector(time() - {ended - 600.0:.3f}) / 600"  # from 0 to 1
    loaded.fails("load.meanwhile", "it was 0 to 1; below 0.99", **ASKED, query=rising, below=0.99)
    loaded.passes("load.meanwhile", **ASKED, query=rising, below=0.51, at_least=0.49, mean=True)
    loaded.fails("load.meanwhile", "0.5 on the average", **ASKED, query=rising, at_least=0.51, mean=True)


def test_a_time_that_prometheus_did_not_see_is_not_known(loaded: Looker) -> None:
    ended = datetime.fromisoformat(json.loads((loaded.root / "k6.json").read_text())["ended_at"]).timestamp()
    late = f"vector(0.5) and on() vector(time()) > {ended - 500.0:.3f}"
    loaded.unsure("load.meanwhile", "of 41 moments", **ASKED, query=late, below=0.8)
    loaded.unsure("load.meanwhile", "0 series", **ASKED, query="nothing_at_all", below=0.8)
    two = 'label_replace(vector(1), "a", "b", "", "") or vector(2)'
    loaded.unsure("load.meanwhile", "2 series", **ASKED, query=two, below=3.0)
    loaded.unsure("load.meanwhile", "41 moments", **ASKED, query="vector(0) / 0", below=0.8)
    loaded.unsure("load.meanwhile", "Unavailable", **(ASKED | {"of": "nobody"}), query="vector(1)", below=2.0)


def test_the_load_was_on_this_build_and_lately(loaded: Looker) -> None:
    asked: dict[str, str | float] = {**ASKED, "query": "vector(0.5)", "below": 0.8}
    loaded.write("k6.json", json.dumps({**k6(1000, 600.0), "build": "sha256:2.0.9"}))
    loaded.fails("load.meanwhile", "it is about sha256:2.0.9", **asked)
    loaded.write("k6.json", json.dumps({**k6(1000, 600.0), "ended_at": ago(days=8)}))
    loaded.fails("load.meanwhile", "7d is the limit", **asked)
    (loaded.root / "k6.json").unlink()
    loaded.unsure("load.meanwhile", "There is no report k6.json", **asked)


def test_a_real_prometheus_understands_each_query_of_the_runbook(loaded: Looker) -> None:
    queries = [point.parameters for _, point in points("B") if point.check == "load.meanwhile"]
    assert len(queries) == 3
    for parameters in queries:
        loaded.unsure("load.meanwhile", "0 series for", **(parameters | ASKED))
