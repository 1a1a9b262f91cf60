"""Ports that have to be open, and ports that have to be shut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

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


def test_shut_ports_pass_and_an_open_one_is_named(looker: Looker, listening: str) -> None:
    shut = f"127.0.0.1:{free_port()}"
    looker.named("shut", "tcp://", addresses=shut)
    assert shut in looker.passes("ports.closed", of="shut")
    looker.named("shut", "tcp://", addresses=f"{shut}, {listening}")
    looker.fails("ports.closed", f"{listening}: open", of="shut")


def test_silence_is_shut_only_where_the_machine_is_known_to_be_there(looker: Looker, listening: str) -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        silent = f"127.0.0.1:{full.getsockname()[1]}"
        looker.named("shut", "tcp://", addresses=silent)
        looker.unsure("ports.closed", "shut, or not there", of="shut", within=0.1)
        looker.named("shut", "tcp://", addresses=silent, alive=listening)
        assert "(silent)" in looker.passes("ports.closed", of="shut", within=0.1)


def test_a_host_that_nobody_knows_and_a_system_without_addresses_are_no_verdict(looker: Looker) -> None:
    looker.named("servers", "tcp://", addresses="nobody.invalid:22")
    looker.unsure("ports.open", "no name that is known", of="servers")
    looker.unsure("ports.closed", "no name that is known", of="servers")
    looker.named("servers", "tcp://", addresses="")
    looker.unsure("ports.open", "addresses is empty", of="servers")
    looker.unsure("ports.open", "No system 'others'", of="others")
