"""Ports that have to be open, and ports that have to be shut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.releases.checks.lookout import run
from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_open_ports_pass_and_one_that_refuses_is_named(looker: Looker, listening: str) -> None:
    shut = f"127.0.0.1:{free_port()}"
    looker.named("servers", "tcp://", addresses=listening)
    assert listening in looker.passes("ports.open", of="servers")
    looker.fails("ports.open", "1 addresses are named, 2 at least", of="servers", at_least=2)
    looker.named("servers", "tcp://", addresses=f"{listening}, {shut}")
    looker.fails("ports.open", f"{shut} is refused", of="servers")


def test_shut_ports_pass_on_a_machine_that_is_there_and_an_open_one_is_named(
    looker: Looker, listening: str
) -> None:
    shut = f"127.0.0.1:{free_port()}"
    looker.named("shut", "tcp://", addresses=shut)
    looker.unsure("ports.closed", "shut, or not there", of="shut")
    looker.named("shut", "tcp://", addresses=shut, alive=f"127.0.0.1:{free_port()}")
    looker.unsure("ports.closed", "shut, or not there", of="shut")
    looker.named("shut", "tcp://", addresses=shut, alive=listening)
    assert f"{shut} (refused, from here)" in looker.passes("ports.closed", of="shut")
    looker.named("shut", "tcp://", addresses=f"{shut}, {listening}", alive=listening)
    looker.fails("ports.closed", f"{listening} from here", of="shut")


def test_silence_is_shut_only_where_the_machine_is_known_to_be_there(looker: Looker, listening: str) -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        silent = f"127.0.0.1:{full.getsockname()[1]}"
        looker.named("shut", "tcp://", addresses=silent)
        looker.unsure("ports.closed", "is silent from here: shut, or not there", of="shut", within=0.1)
        looker.named("shut", "tcp://", addresses=silent, alive=listening)
        assert "(silent, from here)" in looker.passes("ports.closed", of="shut", within=0.1)


def test_who_knocks_at_his_own_port_knocks_behind_the_firewall(looker: Looker, listening: str) -> None:
    looker.named("shut", "tcp://", addresses=f"127.0.0.1:{free_port()}", alive=listening)
    looker.unsure("ports.closed", "knocks behind every firewall", of="shut", by_firewall=True)
    looker.write("rules", "")
    looker.named("itself", "ssh://127.0.0.1", run=run(looker.root / "rules"))
    looker.systems["shut"].facts["from"] = "itself"
    looker.unsure("ports.closed", "itself is the machine of", of="shut", by_firewall=True)


def test_a_firewall_is_seen_from_outside_where_somebody_listens_inside(
    looker: Looker, listening: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host, rules in (("outside", f"{port} reject"), ("inside", "")):
            looker.write(host, rules)
            looker.named(host, f"ssh://{host}.example.test", run=run(looker.root / host))
        facts: dict[str, Any] = {"addresses": f"127.0.0.1:{port}", "alive": listening, "from": "outside"}
        looker.named("shut", "tcp://", **facts)
        looker.unsure("ports.closed", "only a look from `inside`", of="shut", by_firewall=True)
        looker.named("shut", "tcp://", **facts, inside="inside")
        assert "(refused, from outside)" in looker.passes("ports.closed", of="shut", by_firewall=True)
        looker.named("shut", "tcp://", **(facts | {"from": "outside, inside"}), inside="inside")
        looker.fails("ports.closed", f"{port} from inside", of="shut", by_firewall=True)
        looker.named("shut", "tcp://", **facts, inside="inside")
        looker.write("outside", f"{port} drop")
        assert "(silent, from outside)" in looker.passes("ports.closed", of="shut", by_firewall=True)
        looker.write("outside", "")
        looker.fails("ports.closed", f"{port} from outside", of="shut", by_firewall=True)
        looker.write("outside", f"{port} reject")
    looker.unsure("ports.closed", "nobody listens there from inside either", of="shut", by_firewall=True)
    looker.systems["outside"].facts["run"] = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -p 9 127.0.0.1"
    looker.unsure("ports.closed", "did not say what it heard", of="shut", by_firewall=True)


def test_a_host_that_nobody_knows_and_a_system_without_addresses_are_no_verdict(looker: Looker) -> None:
    looker.named("servers", "tcp://", addresses="nobody.invalid:22")
    looker.unsure("ports.open", "no name that is known", of="servers")
    looker.unsure("ports.closed", "no name that is known", of="servers")
    looker.named("servers", "tcp://", addresses="")
    looker.unsure("ports.open", "addresses is empty", of="servers")
    looker.unsure("ports.open", "No system 'others'", of="others")
