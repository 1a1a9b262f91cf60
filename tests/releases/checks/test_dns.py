"""Names at their authority."""

from __future__ import annotations

import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.servers.names import NameServer


@pytest.fixture
def names(looker: Looker, name_server: NameServer) -> Looker:
    name_server.set("quick", "A", ["192.0.2.1", "192.0.2.2"], ttl=60)
    name_server.set("slow", "A", ["192.0.2.1"], ttl=300)
    looker.named("quick", f"dns://{name_server.address}", names="quick.example.test")
    looker.named("slow", f"dns://{name_server.address}", names="quick.example.test, slow.example.test")
    looker.named("lost", f"dns://{name_server.address}", names="lost.example.test")
    looker.named("nobody", f"dns://127.0.0.1:{free_port()}", names="quick.example.test")
    return looker


def test_a_short_ttl_passes_and_a_long_one_is_named(names: Looker) -> None:
    names.passes("dns.ttl", of="quick", at_most=60.0)
    names.fails(
        "dns.ttl", "slow.example.test may be kept for 300 s; 1m is the limit", of="slow", at_most=60.0
    )
    names.fails("dns.ttl", "lost.example.test has no record A", of="lost", at_most=60.0)
    names.unsure("dns.ttl", "Unavailable", of="nobody", at_most=60.0)


def test_a_name_points_where_it_should_and_nowhere_else(names: Looker) -> None:
    names.passes("dns.points_at", of="quick", values="192.0.2.2, 192.0.2.1")
    names.fails("dns.points_at", "points at 192.0.2.1, 192.0.2.2", of="quick", values="192.0.2.1")
    names.fails("dns.points_at", "points at nothing", of="lost", values="192.0.2.1")
    names.unsure("dns.points_at", "Unavailable", of="nobody", values="192.0.2.1")
