"""A real HAProxy, and what its statistics say of its pool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import saying, started
from tests.releases.checks.scenes import Looker
from watership.testing.servers import HaproxyServer, free_port
from watership.testing.servers.ports import LOOPBACK
from watership.testing.standin import Answer, StandIn

CSV = "# pxname,svname,status,weight,uweight,check_status,cookie,algo\n"
IT = {"of": "balancer", "pool": "app"}


@pytest.fixture(scope="module")
def plain_haproxy() -> Iterator[HaproxyServer]:
    """One that asks nobody for health, and tells its legends."""
    with StandIn(saying("green")) as slot:
        target = f"{LOOPBACK}:{slot.port}"
        make = lambda: HaproxyServer({"blue": target, "green": target}, health="")  # noqa: E731
        yield from started(make)


@pytest.fixture
def balancer(looker: Looker, haproxy_server: HaproxyServer) -> Looker:
    looker.named("balancer", haproxy_server.stats_url.removesuffix("/;csv"))
    looker.named("nobody", f"http://{LOOPBACK}:{free_port()}")
    return looker


def test_a_pool_has_servers_of_a_slot(balancer: Looker) -> None:
    balancer.passes("balancer.pool", **IT, servers="blue")
    balancer.passes("balancer.pool", **IT, servers="next")
    balancer.fails("balancer.pool", "has blue of blue; 2 at least", **IT, servers="blue", at_least=2)
    balancer.fails("balancer.pool", "no server of red", **IT, servers="red")
    balancer.unsure("balancer.pool", "no pool 'other'", of="balancer", pool="other", servers="blue")
    balancer.unsure("balancer.pool", "Unavailable", of="nobody", pool="app", servers="blue")


def test_weights_are_those_in_force(balancer: Looker, haproxy_server: HaproxyServer) -> None:
    wanted = {"weights": "blue=0, green=100"}
    balancer.passes("balancer.weights", **IT, **wanted)
    balancer.passes("balancer.weights", **IT, weights="next=0, live=100")
    haproxy_server.tell("set server app/blue weight 100")
    try:
        balancer.fails("balancer.weights", "blue has 50 %, green has 50 %", **IT, **wanted)
        balancer.passes("balancer.weights", **IT, weights="blue=50, green=50")
    finally:
        haproxy_server.tell("set server app/blue weight 0")
    balancer.fails("balancer.weights", "green has 100 %", **IT, weights="blue=0")
    balancer.unsure("balancer.weights", "names no weights", **IT, weights="blue")
    balancer.unsure("balancer.weights", "Unavailable", of="nobody", pool="app", **wanted)


def test_every_server_is_asked_for_its_health(balancer: Looker, plain_haproxy: HaproxyServer) -> None:
    balancer.passes("balancer.checked", **IT)
    balancer.unsure("balancer.checked", "Unavailable", of="nobody", pool="app")
    balancer.named("plain", plain_haproxy.stats_url.removesuffix("/;csv"))
    balancer.fails("balancer.checked", "blue is not checked; green is not checked", of="plain", pool="app")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("app,green,UP,100,100,L4OK,,\n", "only connected to (L4OK)"),
        ("app,green,DOWN,100,100,L7STS,,\n", "has weight, and is DOWN (L7STS)"),
        ("app,green,UP,100,100,,,\n", "is not checked"),
    ],
)
def test_a_check_that_asks_for_no_path_and_weight_on_what_is_down_fail(
    looker: Looker, line: str, words: str
) -> None:
    with _telling(looker, line):
        looker.fails("balancer.checked", words, **IT)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cookie SRV insert", "by the cookie SRV"),
        ("balance source", "balances by source"),
        ("balance hdr(x-tenant)", "balances by hdr"),
        ("stick-table type ip size 1k\n    stick on src", "for 1 of 10 sessions it chose a server"),
        ("", ""),
    ],
)
def test_a_pool_that_binds_clients_fails(looker: Looker, line: str, words: str) -> None:
    asked: dict[str, Any] = {**IT, "through": "entrance", "path": "/", "requests": 10}
    with StandIn(saying("green")) as slot:
        for haproxy in started(lambda: Legends(line, f"{LOOPBACK}:{slot.port}")):
            looker.named("balancer", haproxy.stats_url.removesuffix("/;csv"))
            looker.named("entrance", haproxy.url)
            if words:
                looker.fails("balancer.unsticky", words, **asked)
                continue
            told = looker.passes("balancer.unsticky", **asked)
            assert "by roundrobin, without a cookie; for 10 of 10 sessions" in told
            looker.named("entrance", f"http://{LOOPBACK}:{slot.port}")
            looker.unsure("balancer.unsticky", "does not lead there", **asked)
            looker.named("entrance", f"http://{LOOPBACK}:{free_port()}")
            looker.unsure("balancer.unsticky", "Unavailable", **asked)


class Legends(HaproxyServer):
    """A HAProxy that tells its legends, with another line in its pool."""

    def __init__(self, line: str, target: str) -> None:
        super().__init__({"blue": target, "green": target}, health="", weights={"blue": 100})
        self._line = line

    def prepare(self) -> None:
        super().prepare()
        file = self.folder / "haproxy.cfg"
        text = file.read_text().replace("stats uri /\n", "stats uri /\n    stats show-legends\n")
        file.write_text(text.replace("backend app\n", f"backend app\n    {self._line}\n"))


def test_how_a_pool_balances_may_not_be_told(balancer: Looker) -> None:
    balancer.unsure("balancer.unsticky", "show-legends", **IT, through="nobody")
    balancer.unsure("balancer.unsticky", "Unavailable", of="nobody", pool="app", through="nobody")


def test_what_are_no_statistics_are_no_verdict(looker: Looker) -> None:
    with _telling(looker, "") as server, server.changed("GET /;csv", Answer("<html>")):
        looker.unsure("balancer.pool", "no statistics of HAProxy", **IT, servers="blue")


def _telling(looker: Looker, line: str) -> StandIn:
    """Statistics as HAProxy 2.6 writes them, cut to the columns that are read."""
    server = StandIn({"GET /;csv": Answer(f"{CSV}{line}app,BACKEND,UP,100,100,,,\n")})
    looker.named("balancer", server.url)
    return server
