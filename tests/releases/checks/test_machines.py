"""Machines by what their node exporters say."""

from __future__ import annotations

from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn

AGENT = """# HELP node_network_up Value is 1 if operstate is 'up', 0 otherwise.
# TYPE node_network_up gauge
node_network_up{device="eth0"} %d
node_network_up{device="lo"} 0
# TYPE node_network_carrier gauge
node_network_carrier{device="eth0"} %d
"""

ETH0 = {"of": "agents", "device": "eth0"}


def test_a_device_is_up_with_a_carrier(looker: Looker) -> None:
    with StandIn({"GET /metrics": Answer(AGENT % (1, 1))}) as agent:
        where = agent.url.removeprefix("http://")
        looker.named("agents", "http://", agents=where)
        looker.passes("machine.interfaces", **ETH0)
        looker.fails("machine.interfaces", "has no eth1", of="agents", device="eth1")
        with agent.changed("GET /metrics", Answer(AGENT % (0, 1))):
            looker.fails("machine.interfaces", f"eth0 of {where} is down", **ETH0)
        with agent.changed("GET /metrics", Answer(AGENT % (1, 0))):
            looker.fails("machine.interfaces", "has no carrier", **ETH0)
        with agent.changed("GET /metrics", Answer("<html> {")):
            looker.unsure("machine.interfaces", "no metrics", **ETH0)
        with agent.changed("GET /metrics", Answer(status=503)):
            looker.unsure("machine.interfaces", "answered 503", **ETH0)


def test_a_machine_that_says_nothing_is_no_verdict(looker: Looker) -> None:
    looker.named("agents", "http://", agents=f"127.0.0.1:{free_port()}")
    looker.unsure("machine.interfaces", "Unavailable", **ETH0)


IDLE = """node_load1 %s
node_cpu_seconds_total{cpu="0",mode="idle"} 5
node_cpu_seconds_total{cpu="1",mode="idle"} 5
node_memory_MemAvailable_bytes %s
node_memory_MemTotal_bytes 10
node_filesystem_avail_bytes{mountpoint="/"} %s
node_filesystem_size_bytes{mountpoint="/"} 10
"""

READY: dict[str, Given] = {
    "of": "agents",
    "at_least": 1,
    "load_below": 1.0,
    "memory_free": 0.5,
    "disk_free": 0.2,
}


def test_an_idle_machine_with_room_is_ready(looker: Looker) -> None:
    with StandIn({"GET /metrics": Answer(IDLE % (1.9, 5, 2))}) as agent:
        looker.named("agents", "http://", agents=agent.url.removeprefix("http://"))
        looker.passes("machine.ready", **READY)
        looker.fails("machine.ready", "1 machines are named, 2 at least", **{**READY, "at_least": 2})
        for told, words in (
            (IDLE % (2.0, 5, 2), "its load is 1 by processor"),
            (IDLE % (0, 4, 2), "40 % of its memory is free"),
            (IDLE % (0, 5, 1), "10 % of / is free"),
        ):
            with agent.changed("GET /metrics", Answer(told)):
                looker.fails("machine.ready", words, **READY)
        for lacking in ("node_load1", "node_memory_MemTotal_bytes", "node_filesystem_avail_bytes"):
            told = "".join(
                line for line in (IDLE % (0, 5, 2)).splitlines(True) if not line.startswith(lacking)
            )
            with agent.changed("GET /metrics", Answer(told)):
                looker.unsure("machine.ready", "tell", **READY)
    looker.unsure("machine.ready", "Unavailable", **READY)
