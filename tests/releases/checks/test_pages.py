"""The status page as it is managed and shown, and live as it says that it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn

PART = {"name": "API", "status": "operational"}
WELL = {
    "page": {"name": "Ours"},
    "status": {"indicator": "none", "description": "All well"},
    "components": [PART],
}
HEALTH = {"status": "ok", "database": "ok", "rabbitmq": "ok", "redis": "ok", "version": "2.0.5"}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (WELL | {"status": {"indicator": "minor", "description": "Some trouble"}}, "Some trouble"),
        (
            WELL | {"components": [PART, {"name": "Mail", "status": "partial_outage"}]},
            "Mail is partial_outage",
        ),
        (WELL | {"components": []}, "no component"),
    ],
)
def test_a_page_that_tells_of_trouble_is_not_ready(looker: Looker, told: dict[str, Any], words: str) -> None:
    with StandIn({"GET /api/v2/summary.json": Answer(WELL)}) as server:
        looker.named("page", server.url)
        looker.passes("statuspage.shows", of="page")
        server.routes["GET /api/v2/summary.json"] = Answer(told)
        looker.fails("statuspage.shows", words, of="page")
    looker.unsure("statuspage.shows", "no answer", of="page")


def test_a_page_is_ours_to_manage(looker: Looker) -> None:
    with StandIn({"GET /v1/pages/p1/components": Answer([PART])}) as server:
        looker.named("api", server.url, page="p1")
        looker.named("other", server.url, page="p2")
        looker.passes("statuspage.managed", of="api", components="API")
        looker.fails("statuspage.managed", "no component 'Mail'", of="api", components="API, Mail")
        looker.unsure("statuspage.managed", "404", of="other", components="API")
        server.routes["GET /v1/pages/p1/components"] = Answer({"error": "Could not authenticate"}, 401)
        looker.unsure("statuspage.managed", "401", of="api", components="API")


@pytest.mark.parametrize(
    ("health", "status", "words"),
    [
        (Answer(HEALTH | {"redis": "refused"}, 503), Answer({"readonly": False}), "redis is refused"),
        (Answer(HEALTH | {"version": "2.1.0"}), Answer({"readonly": False}), "is version 2.1.0, not 2.0.5"),
        (Answer(HEALTH), Answer({"readonly": True}), "is read-only"),
        (Answer(HEALTH), Answer({}), "does not say that it is not"),
        (Answer("<html>", 502), Answer({"readonly": False}), "no JSON (502)"),
        (Answer({}), Answer({"readonly": False}), "database is None"),
    ],
)
def test_live_is_well_only_if_everything_says_so(
    looker: Looker, health: Answer, status: Answer, words: str
) -> None:
    with StandIn({"GET /health": Answer(HEALTH), "GET /status": Answer({"readonly": False})}) as server:
        looker.named("live", server.url)
        looker.passes("live.healthy")
        server.routes |= {"GET /health": health, "GET /status": status}
        looker.fails("live.healthy", words)
    looker.named("live", f"http://127.0.0.1:{free_port()}")
    looker.unsure("live.healthy", "no answer")
