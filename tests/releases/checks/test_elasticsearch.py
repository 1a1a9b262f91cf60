"""Elasticsearch: health, templates, policies, and a line that is written and found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.checklist.observed import policy
from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn

DAY = 86400.0
TEMPLATE = "GET /_index_template/ours"


@pytest.fixture
def logs(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as server:
        looker.named("logs", server.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield server


def health(**fields: Any) -> Answer:
    return Answer({"status": "green", "timed_out": False, "number_of_nodes": 3} | fields)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (health(status="yellow"), "the cluster is yellow"),
        (health(status="red"), "the cluster is red"),
        (health(timed_out=True), "within its time"),
        (health(number_of_nodes=2), "it has 2 nodes, 3 are wanted"),
    ],
)
def test_only_a_green_cluster_passes(looker: Looker, logs: StandIn, answer: Answer, words: str) -> None:
    logs.routes["GET /_cluster/health"] = health()
    looker.passes("logs.aggregated", of="logs", nodes=3)
    logs.routes["GET /_cluster/health"] = answer
    looker.fails("logs.aggregated", words, of="logs", nodes=3)
    looker.unsure("logs.aggregated", "no answer", of="nobody", nodes=3)


def template(settings: dict[str, Any], *, kind: str = "date", pattern: str = "logs-*") -> Answer:
    body = {"settings": settings, "mappings": {"properties": {"@timestamp": {"type": kind}}}}
    named = {"name": "ours", "index_template": {"index_patterns": [pattern], "template": body}}
    return Answer({"index_templates": [named]})


NESTED: dict[str, Any] = {"index": {"lifecycle": {"name": "ours"}}}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (template({}), "it names no policy"),
        (template({"index": {"lifecycle": {}}}), "it names no policy"),
        (template(NESTED, kind="text"), "@timestamp is text, not date"),
        (template(NESTED, pattern="other-*"), "it is for other-*"),
        (None, "has no index template"),
        (Answer({"index_templates": []}), "has no index template"),
    ],
)
def test_an_index_template_says_what_a_line_is(
    looker: Looker, logs: StandIn, answer: Answer | None, words: str
) -> None:
    asked = {"of": "logs", "template": "ours", "pattern": "logs-*", "fields": "@timestamp=date"}
    for settings in (NESTED, {"index.lifecycle.name": "ours"}, {"index": {"lifecycle.name": "ours"}}):
        logs.routes[TEMPLATE] = template(settings)
        looker.passes("logs.indexed", **asked)
    with logs.changed(TEMPLATE, answer):
        looker.fails("logs.indexed", words, **asked)
    looker.unsure("logs.indexed", "no answer", **{**asked, "of": "nobody"})


def unused() -> dict[str, Any]:
    return policy("30d") | {"in_use_by": {"indices": [], "data_streams": []}}


def endless() -> dict[str, Any]:
    return policy("30d") | {"policy": {"phases": {"hot": {"min_age": "0ms"}}}}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (policy("10d"), "deletes after 10d"),
        (policy("900d"), "deletes after 900d"),
        (unused(), "nothing is under the policy"),
        (endless(), "deletes nothing"),
        (None, "has no policy 'ours'"),
    ],
)
def test_a_policy_deletes_in_its_time_and_is_in_use(
    looker: Looker, logs: StandIn, told: dict[str, Any] | None, words: str
) -> None:
    asked: dict[str, Any] = {"policy": "ours", "at_least": 30 * DAY, "at_most": 90 * DAY}
    logs.routes["GET /_ilm/policy/ours"] = Answer({"ours": policy("30d")})
    looker.passes("logs.retained", of="logs", **asked)
    with logs.changed("GET /_ilm/policy/ours", None if told is None else Answer({"ours": told})):
        looker.fails("logs.retained", words, of="logs", **asked)
    looker.unsure("logs.retained", "no answer", of="nobody", **asked)


def test_a_line_that_is_not_found_in_time_fails(looker: Looker, logs: StandIn) -> None:
    logs.routes["POST /probe/_doc"] = Answer({"result": "created"}, 201)
    logs.routes["GET /probe/_search"] = Answer({"hits": {"total": {"value": 0}, "hits": []}})
    looker.fails("logs.searchable", "is not found", of="logs", stream="probe", within=0.2)
    logs.routes["GET /probe/_search"] = Answer({"hits": {"total": {"value": 1}, "hits": [{}]}})
    looker.passes("logs.searchable", of="logs", stream="probe", within=5.0)
    logs.routes["POST /probe/_doc"] = Answer({"error": "read-only"}, 403)
    looker.unsure("logs.searchable", "403", of="logs", stream="probe", within=0.2)
    looker.unsure("logs.searchable", "no answer", of="nobody", stream="probe", within=0.2)
