"""What a pool's health checks ask for, as the Data Plane API tells, and who answers there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn

POOL = "/v3/services/haproxy/configuration/backends/app"
IT = {"of": "api", "pool": "app", "path": "/readyz"}


@pytest.fixture
def api(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as api, StandIn({"GET /readyz": Answer()}) as live:
        looker.named("api", api.url)
        looker.named("live", live.url)
        api.routes[f"GET {POOL}/http_checks"] = Answer([])
        asking(api, "/readyz")
        yield api


def asking(api: StandIn, path: str, check: str = "httpchk") -> None:
    """As `option httpchk GET PATH` is told."""
    params = {"method": "GET", "uri": path, "version": "HTTP/1.1"}
    api.routes[f"GET {POOL}"] = Answer({"name": "app", "adv_check": check, "httpchk_params": params})


def test_the_path_that_is_asked_for_is_the_one_that_is_meant(looker: Looker, api: StandIn) -> None:
    assert "app asks for /readyz" in looker.passes("balancer.health_path", **IT)
    asking(api, "/")
    looker.fails("balancer.health_path", "asks for /, not for /readyz", **IT)
    asking(api, "/readyz", "tcp-check")
    looker.fails("balancer.health_path", "asks for no path", **IT)
    api.routes[f"GET {POOL}"] = Answer({"name": "app", "adv_check": "httpchk"})
    looker.fails("balancer.health_path", "asks for /, not", **IT)


def test_a_request_that_is_written_out_counts_before_the_option(looker: Looker, api: StandIn) -> None:
    api.routes[f"GET {POOL}/http_checks"] = Answer([{"type": "send", "method": "GET", "uri": "/livez"}])
    looker.fails("balancer.health_path", "asks for /livez", **IT)


def test_who_is_asked_answers_there_and_not_everywhere(looker: Looker, api: StandIn) -> None:
    with StandIn() as other:
        looker.named("live", other.url)
        looker.fails("balancer.health_path", "/readyz answered 404", **IT)
        other.routes |= {"GET /readyz": Answer(), "GET /readyz/no-such-thing": Answer("a page")}
        looker.fails("balancer.health_path", "says nothing of its health", **IT)


def test_what_is_not_told_is_not_known(looker: Looker, api: StandIn) -> None:
    looker.unsure("balancer.health_path", "has no pool 'other'", **(IT | {"pool": "other"}))
    api.routes[f"GET {POOL}"] = Answer({"code": 401}, 401)
    looker.unsure("balancer.health_path", "answered 401", **IT)
    looker.named("api", f"http://127.0.0.1:{free_port()}")
    looker.unsure("balancer.health_path", "Unavailable", **IT)
