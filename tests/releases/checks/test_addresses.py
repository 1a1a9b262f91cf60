"""A system that is several is asked at each of its addresses."""

from __future__ import annotations

from tests.releases.checks.scenes import Looker
from watership.testing.standin import Answer, StandIn


def test_every_address_of_a_system_has_to_answer(looker: Looker) -> None:
    with StandIn({"GET /app/health": Answer()}) as one, StandIn() as other:
        addresses = [f"127.0.0.1:{each.port}" for each in (one, other)]
        looker.named("live", "http://balancer.example.test/app/", addresses=", ".join(addresses))
        looker.fails("http.answers", f"{addresses[1]}/app/health: answered 404", of="live", path="/health")
        other.routes["GET /app/health"] = Answer()
        assert addresses[0] in looker.passes("http.answers", of="live", path="/health")
