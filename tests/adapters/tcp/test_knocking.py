"""Knocking at ports of this machine."""

from __future__ import annotations

import socket

import pytest

from watership.adapters.tcp.knocking import Knocking
from watership.errors import BadInput, Unavailable
from watership.testing.servers import free_port


async def test_an_open_port_is_open_and_a_free_one_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert await Knocking().knock(f"127.0.0.1:{server.getsockname()[1]}") == "open"
    assert await Knocking().knock(f"127.0.0.1:{free_port()}") == "refused"


async def test_a_port_whose_queue_is_full_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, socket.socket() as first:
        first.connect(server.getsockname())
        with socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(server.getsockname())
            assert await Knocking().knock(f"127.0.0.1:{server.getsockname()[1]}", timeout=0.05) == "silent"


async def test_a_name_that_nobody_knows_and_an_address_that_is_none_are_said() -> None:
    with pytest.raises(Unavailable, match="no name that is known"):
        await Knocking().knock("nobody.invalid:22")
    with pytest.raises(BadInput):
        await Knocking().knock("127.0.0.1")


async def test_this_machine_is_told_from_others() -> None:
    assert [await Knocking().here(f"{host}:80") for host in ("127.0.0.1", "[::1]", "192.0.2.1")] == [
        True,
        True,
        False,
    ]
    with pytest.raises(Unavailable, match="no name that is known"):
        await Knocking().here("nobody.invalid:80")
