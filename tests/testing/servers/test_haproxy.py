"""HAProxy sends traffic by weight and health, and tells both."""

from __future__ import annotations

import csv
import time
from collections import Counter
from urllib.request import urlopen

from watership.testing.servers import HaproxyServer
from watership.testing.servers.ports import LOOPBACK
from watership.testing.standin import Answer, StandIn


def heard(server: HaproxyServer, count: int) -> Counter[str]:
    answers: Counter[str] = Counter()
    for _ in range(count):
        with urlopen(server.url) as answer:  # noqa: S310 - our own server
            answers[answer.read().decode()] += 1
    return answers


def statistics(server: HaproxyServer) -> dict[str, dict[str, str]]:
    with urlopen(server.stats_url) as answer:  # noqa: S310 - our own server
        lines = answer.read().decode().removeprefix("# ").splitlines()
    return {row["svname"]: row for row in csv.DictReader(lines) if row["pxname"] == "app"}


def until(server: HaproxyServer, slot: str, status: str) -> None:
    deadline = time.monotonic() + 10
    while statistics(server)[slot]["status"] != status:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_weights_are_what_they_were_given_and_what_the_socket_makes_of_them(
    haproxy_server: HaproxyServer,
) -> None:
    assert heard(haproxy_server, 4) == {"green": 4}
    assert haproxy_server.tell("set server app/blue weight 100") == ""
    try:
        assert heard(haproxy_server, 10) == {"green": 5, "blue": 5}
        assert statistics(haproxy_server)["blue"]["weight"] == "100"
    finally:
        haproxy_server.tell("set server app/blue weight 0")
    assert "No such server" in haproxy_server.tell("set server app/red weight 0")


def test_a_slot_that_is_not_healthy_is_seen_to_be_down() -> None:
    ready = {"GET /readyz": Answer("ready")}
    with StandIn(ready) as blue, StandIn(ready) as green:
        targets = {"blue": f"{LOOPBACK}:{blue.port}", "green": f"{LOOPBACK}:{green.port}"}
        with HaproxyServer(targets) as server:
            until(server, "blue", "UP")
            with blue.changed("GET /readyz", Answer(status=503)):
                until(server, "blue", "DOWN")
            until(server, "blue", "UP")
            assert "hard-stop-after 30s" in (server.folder / "haproxy.cfg").read_text()
    assert not server.socket.exists()
