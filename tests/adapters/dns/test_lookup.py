"""A lookup: the authority's word, or none."""

from __future__ import annotations

import pytest

from watership.adapters.dns.lookup import Lookup
from watership.errors import BadInput, Unavailable
from watership.testing.servers.names import NEGATIVE_TTL, NameServer


async def test_values_and_their_time_are_the_authoritys_as_they_are_now(name_server: NameServer) -> None:
    name_server.set("shop", "A", ["10.0.0.2", "10.0.0.1"], ttl=60)
    found = await Lookup().lookup(name_server.address, "shop.example.test")
    assert (found.values, found.ttl) == (("10.0.0.1", "10.0.0.2"), 60)
    name_server.set("shop", "A", ["10.0.0.3"], ttl=5)
    found = await Lookup().lookup(name_server.address, "shop.example.test")
    assert (found.values, found.ttl) == (("10.0.0.3",), 5)


async def test_a_name_or_a_record_that_is_not_there_is_empty(name_server: NameServer) -> None:
    name_server.set("four", "A", ["10.0.0.1"])
    for name, kind in ("nothing.example.test", "A"), ("four.example.test", "AAAA"):
        found = await Lookup().lookup(name_server.address, name, kind)
        assert (found.values, found.ttl) == ((), NEGATIVE_TTL)


async def test_an_alias_is_followed_and_holds_for_the_shorter_of_both_times(name_server: NameServer) -> None:
    name_server.set("alias", "CNAME", ["real.example.test."], ttl=20)
    name_server.set("real", "A", ["10.0.0.7"], ttl=100)
    found = await Lookup().lookup(name_server.address, "alias.example.test")
    assert (found.values, found.ttl) == (("10.0.0.7",), 20)
    assert (await Lookup().lookup(name_server.address, "alias.example.test", "CNAME")).values == (
        "real.example.test.",
    )


async def test_an_alias_of_somebody_elses_name_is_not_taken_for_an_absence(name_server: NameServer) -> None:
    name_server.set("away", "CNAME", ["far.elsewhere.test."], ttl=20)
    with pytest.raises(BadInput, match=r"another name of far\.elsewhere\.test"):
        await Lookup().lookup(name_server.address, "away.example.test")


async def test_who_is_no_authority_gives_no_answer(name_server: NameServer) -> None:
    with pytest.raises(Unavailable, match="REFUSED"):
        await Lookup().lookup(name_server.address, "www.elsewhere.test")
    with pytest.raises(Unavailable, match="no authority"):
        name_server.authoritative = False
        try:
            await Lookup().lookup(name_server.address, "www.example.test")
        finally:
            name_server.authoritative = True


async def test_a_server_that_is_down_is_unavailable_and_nonsense_is_refused() -> None:
    with NameServer() as server:
        server.stop()
        with pytest.raises(Unavailable, match=f"{server.address} gives no answer"):
            await Lookup().lookup(server.address, "www.example.test")
    for address, name, kind in (
        ("https://host", "a.test", "A"),
        ("127.0.0.1:53", "a..test", "A"),
        ("127.0.0.1:53", "a.test", "NONSENSE"),
    ):
        with pytest.raises(BadInput):
            await Lookup().lookup(address, name, kind)
