"""Prometheus scrapes what it is told to, and evaluates the rules that it is given."""

from __future__ import annotations

import json
import time
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from watership.errors import BadInput
from watership.testing.servers import PrometheusServer, free_port

RULES = """
groups:
  - name: ours
    rules:
      - alert: Always
        expr: vector(1)
      - alert: Down
        expr: up == 0
"""


def ask(server: PrometheusServer, path: str) -> object:
    with urlopen(f"{server.url}/api/v1/{path}") as answer:  # noqa: S310 - our own server
        return json.load(answer)["data"]


def values(server: PrometheusServer, query: str) -> dict[str, str]:
    data = ask(server, f"query?query={quote(query)}")
    assert isinstance(data, dict)
    return {each["metric"].get("job", ""): each["value"][1] for each in data["result"]}


def test_targets_are_scraped_and_the_missing_one_is_down(prometheus_server: PrometheusServer) -> None:
    before = dict(prometheus_server.targets)
    prometheus_server.targets["missing"] = [f"127.0.0.1:{free_port()}"]
    prometheus_server.rules["ours"] = RULES
    try:
        prometheus_server.reload()
        until = time.monotonic() + 15
        while values(prometheus_server, "up") != {"prometheus": "1", "missing": "0"}:
            assert time.monotonic() < until
            time.sleep(0.05)
        while "Down" not in (firing := alerts(prometheus_server)):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert firing == {"Always", "Down"}
    finally:
        prometheus_server.targets = before
        prometheus_server.rules.clear()
        prometheus_server.reload()
    assert alerts(prometheus_server) == set()


def alerts(server: PrometheusServer) -> set[str]:
    data = ask(server, "alerts")
    assert isinstance(data, dict)
    return {each["labels"]["alertname"] for each in data["alerts"]}


def test_its_flags_are_those_that_it_was_given(prometheus_server: PrometheusServer) -> None:
    flags = ask(prometheus_server, "status/flags")
    assert isinstance(flags, dict)
    assert flags["storage.tsdb.retention.time"] == "15d"


def test_rules_that_make_no_sense_are_refused(prometheus_server: PrometheusServer) -> None:
    prometheus_server.rules["broken"] = "groups: nonsense"
    try:
        with pytest.raises(BadInput, match="does not take it"):
            prometheus_server.reload()
    finally:
        prometheus_server.rules.clear()
        prometheus_server.reload()
