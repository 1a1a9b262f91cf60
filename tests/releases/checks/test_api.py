"""An API beside its document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn

COUNTED = 'http_requests_total{method="GET",route="/api/v1/jobs",code="200"} 3.0\n'


def document(version: str, *paths: str) -> dict[str, Any]:
    operation = {"get": {"summary": "What it does", "responses": {"200": {"description": "Done."}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "App", "version": version},
        "paths": dict.fromkeys(paths, operation),
    }


@pytest.fixture
def next(looker: Looker) -> Iterator[StandIn]:
    routes = {
        "GET /openapi.json": Answer(document("2.1.0", "/api/v1/jobs", "/health")),
        "GET /metrics": Answer(COUNTED),
    }
    with StandIn(routes) as standin:
        looker.named("next", standin.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield standin


def test_every_route_that_was_answered_is_documented(looker: Looker, next: StandIn) -> None:
    looker.passes("api.documented", of="next")
    next.routes["GET /metrics"] = Answer(COUNTED + COUNTED.replace("/jobs", "/secrets"))
    looker.fails("api.documented", "GET /api/v1/secrets is served and not documented", of="next")
    next.routes["GET /metrics"] = Answer(COUNTED + COUNTED.replace("GET", "POST"))
    looker.fails("api.documented", "POST /api/v1/jobs is served and not documented", of="next")
    beside = COUNTED.replace("GET", "HEAD") + COUNTED.replace("GET", "DELETE").replace("200", "405")
    next.routes["GET /metrics"] = Answer(COUNTED + beside)
    looker.passes("api.documented", of="next")
    silent = document("2.1.0", "/api/v1/jobs")
    silent["paths"]["/api/v1/jobs"] = {"get": {"responses": {"200": {"description": "Done."}}}}
    with next.changed("GET /openapi.json", Answer(silent)):
        looker.fails("api.documented", "GET /api/v1/jobs does not say what it does", of="next")
    next.routes["GET /metrics"] = Answer("up 1\n")
    looker.unsure("api.documented", "counts no request", of="next")
    next.routes["GET /openapi.json"] = Answer([])
    looker.unsure("api.documented", "no document", of="next")
    looker.unsure("api.documented", "Unavailable", of="nobody")


def test_what_live_has_answered_is_documented_by_either(looker: Looker, next: StandIn) -> None:
    routes = {
        "GET /openapi.json": Answer(document("2.0.5", "/api/v1/old")),
        "GET /metrics": Answer(COUNTED + COUNTED.replace("/jobs", "/old")),
    }
    both = {"of": "next", "live": "live"}
    with StandIn(routes) as live:
        looker.named("live", live.url)
        looker.passes("api.documented", **both)
        live.routes["GET /metrics"] = Answer(COUNTED.replace("/jobs", "/hidden"))
        looker.fails("api.documented", f"{live.url}: GET /api/v1/hidden is served and not documented", **both)
    looker.unsure("api.documented", "Unavailable", **both)


def test_next_takes_nothing_away_from_live(looker: Looker, next: StandIn) -> None:
    wish = {"live": "next", "document": "openapi.json"}
    looker.fails("api.compatible", "There is no openapi.json", **wish)
    looker.write(
        "openapi.json", msgspec.json.encode(document("2.1.0", "/api/v1/jobs", "/health", "/api/v1/more"))
    )
    looker.passes("api.compatible", **wish)
    looker.unsure("api.compatible", "Unavailable", **(wish | {"live": "nobody"}))
    looker.write("openapi.json", msgspec.json.encode(document("2.1.0", "/health")))
    looker.fails("api.compatible", "/api/v1/jobs is gone", **wish)
    looker.write("openapi.json", msgspec.json.encode(document("2.0.9", "/api/v1/jobs", "/health")))
    looker.fails("api.compatible", "is of version 2.0.9, not 2.1.0", **wish)
    looker.write("openapi.json", msgspec.json.encode(document("2.1.0")))
    looker.fails("api.compatible", "it tells of no operation", **wish)


def test_every_path_has_the_version_and_the_document_next_s(looker: Looker, next: StandIn) -> None:
    wish = {"of": "next", "prefix": "/api/v1/"}
    looker.passes("api.versioned", **wish, besides="/health")
    looker.fails("api.versioned", "/health has no version", **wish)
    next.routes["GET /openapi.json"] = Answer(document("2.0.5", "/api/v1/jobs"))
    looker.fails("api.versioned", "says that it is 2.0.5, not 2.1.0", **wish)
    looker.unsure("api.versioned", "Unavailable", **(wish | {"of": "nobody"}))
