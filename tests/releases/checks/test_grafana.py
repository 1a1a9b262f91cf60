"""Grafana is asked for dashboards, and for the data of their panels as its own pages ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.checklist.front import House
from tests.checklist.observed import Grafana, board
from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn


@pytest.fixture
def grafana(looker: Looker) -> Iterator[Grafana]:
    with StandIn() as server:
        there = Grafana(House(server, "/grafana"))
        looker.named("grafana", there.standin.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        there.keep(board("overview", "Requests", "Errors"))
        yield there


def test_a_dashboard_shows_what_its_queries_give(looker: Looker, grafana: Grafana) -> None:
    looker.passes("grafana.shows", of="grafana", uid="overview", panels="Requests, Errors")
    looker.fails("grafana.shows", "no panel 'Latency'", of="grafana", uid="overview", panels="Latency")
    looker.fails("grafana.shows", "has no dashboard 'other'", of="grafana", uid="other")
    with grafana.lacking(grafana.empty, "overview"):
        looker.fails(
            "grafana.shows", "'Requests' has no data; 'Errors' has no data", of="grafana", uid="overview"
        )
    with grafana.lacking(grafana.broken, "overview"):
        looker.fails("grafana.shows", "'Requests': parse error", of="grafana", uid="overview")
    looker.unsure("grafana.shows", "no answer", of="nobody", uid="overview")


def test_of_several_dashboards_each_has_to_show(looker: Looker, grafana: Grafana) -> None:
    grafana.keep(board("database", "Connections"))
    looker.passes("grafana.shows", of="grafana", uid="overview, database")
    with grafana.lacking(grafana.empty, "database"):
        looker.fails("grafana.shows", "'Connections' has no data", of="grafana", uid="overview, database")
    looker.fails("grafana.shows", "no dashboard 'gone'", of="grafana", uid="overview, gone")


@pytest.mark.parametrize(
    ("answer", "check", "words"),
    [
        (Answer({"results": {}}), "unsure", "says nothing about a query of 'Requests'"),
        (Answer({"message": "unauthorized"}, 401), "unsure", "401"),
        (Answer("<html>"), "unsure", "no JSON"),
        (
            Answer({"results": {"q0_0": {"frames": [{"data": {"values": [[1], [None]]}}]}, "q1_0": {}}}),
            "fails",
            "no data",
        ),
    ],
)
def test_data_that_is_none_never_passes(
    looker: Looker, grafana: Grafana, answer: Answer, check: str, words: str
) -> None:
    with grafana.standin.changed("POST /api/ds/query", answer):
        getattr(looker, check)("grafana.shows", words, of="grafana", uid="overview")


def test_a_panel_without_a_query_shows_nothing(looker: Looker, grafana: Grafana) -> None:
    text: dict[str, Any] = {"uid": "text", "title": "Text", "panels": [{"title": "Read me", "type": "text"}]}
    grafana.keep(text)
    looker.fails("grafana.shows", "no panel with a query", of="grafana", uid="text")


def test_files_are_compared_with_what_is_imported(looker: Looker, grafana: Grafana) -> None:
    asked = {"files": "ops/*.json"}
    looker.fails("grafana.imported", "No dashboard is written", of="grafana", **asked)
    looker.write("ops/overview.json", msgspec.json.encode(board("overview", "Requests", "Errors")))
    looker.passes("grafana.imported", of="grafana", **asked)
    looker.unsure("grafana.imported", "no answer", of="nobody", **asked)
    looker.write("ops/overview.json", msgspec.json.encode(board("overview", "Requests")))
    looker.fails("grafana.imported", "has other panels", of="grafana", **asked)
    looker.write("ops/overview.json", msgspec.json.encode(board("elsewhere", "Requests")))
    looker.fails("grafana.imported", "(elsewhere) is not in grafana", of="grafana", **asked)
    looker.write("ops/overview.json", "[]")
    looker.unsure("grafana.imported", "is no dashboard", of="grafana", **asked)
