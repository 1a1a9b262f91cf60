"""Machines by what their node exporters say."""

from __future__ import annotations

from tests.releases.checks.scenes import Looker
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
