"""What a running service says of its interpreter, and shows of itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.releases.checks.scenes import Looker
from watership.adapters.prometheus import PrometheusObserver
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn


@pytest.fixture
def service(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as standin:
        looker.named("next", standin.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield standin


def python(version: str) -> Answer:
    return Answer(f'python_info{{implementation="CPython",major="3",version="{version}"}} 1.0\n')


def test_python_is_as_new_as_wanted_by_its_own_metric(looker: Looker, service: StandIn) -> None:
    service.routes["GET /metrics"] = python("3.11.0rc1")
    looker.passes("runtime.version", of="next", at_least="3.11")
    service.routes["GET /metrics"] = python("3.9.18")
    looker.fails("runtime.version", "runs on Python 3.9.18; 3.11 is wanted", of="next", at_least="3.11")
    service.routes["GET /metrics"] = Answer("up 1\n")
    looker.unsure("runtime.version", "does not tell its Python", of="next")
    looker.unsure("runtime.version", "Unavailable", of="nobody")


def test_our_own_service_tells_its_python(looker: Looker, service: StandIn) -> None:
    _, text = PrometheusObserver(version="2.1.0", deployment="d", slot="blue").exposition()
    service.routes["GET /metrics"] = Answer(text.decode())
    looker.passes("runtime.version", of="next", at_least="3.11")


def test_no_page_for_debugging_is_served(looker: Looker, service: StandIn) -> None:
    looker.passes("runtime.no_debug", of="next", paths="/console, /pprof")
    service.routes["GET /pprof"] = Answer("goroutines")
    looker.fails("runtime.no_debug", "/pprof answers 200", of="next", paths="/console, /pprof")
    service.routes["GET /pprof"] = Answer("Traceback (most recent call last): …", status=404)
    looker.fails("runtime.no_debug", "shows 'Traceback", of="next", paths="/pprof")
    looker.unsure("runtime.no_debug", "Unavailable", of="nobody", paths="/console")
