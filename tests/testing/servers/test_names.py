"""A name server says what it was told to, until it is told otherwise."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from watership.testing.servers.names import NEGATIVE_TTL, NameServer


def ask(server: NameServer, name: str, kind: str = "A") -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", port=server.port, timeout=5)


def test_records_and_their_times_are_those_that_were_set(name_server: NameServer) -> None:
    name_server.set("app", "A", ["10.0.0.1", "10.0.0.2"], ttl=60)
    [found] = ask(name_server, "app.example.test").answer
    assert sorted(found.to_text().splitlines()) == [
        "app.example.test. 60 IN A 10.0.0.1",
        "app.example.test. 60 IN A 10.0.0.2",
    ]
    name_server.set("app", "A", ["10.0.0.3"], ttl=5)
    assert ask(name_server, "app.example.test").answer[0].to_text() == "app.example.test. 5 IN A 10.0.0.3"
    name_server.set("app", "A", [])
    assert ask(name_server, "app.example.test").rcode() == dns.rcode.NXDOMAIN


def test_an_absence_has_its_time_and_what_is_not_its_own_is_refused(name_server: NameServer) -> None:
    name_server.set("text", "TXT", ['"words"'])
    empty = ask(name_server, "text.example.test")
    assert (empty.rcode(), empty.answer) == (dns.rcode.NOERROR, [])
    assert empty.authority[0][0].minimum == NEGATIVE_TTL
    assert ask(name_server, "elsewhere.test").rcode() == dns.rcode.REFUSED


def test_an_alias_is_followed_within_the_zone(name_server: NameServer) -> None:
    name_server.set("www", "CNAME", ["target.example.test."], ttl=20)
    name_server.set("target", "A", ["10.0.0.9"], ttl=10)
    assert len(ask(name_server, "www.example.test").answer) == 2
    assert ask(name_server, "www.example.test").flags & dns.flags.AA


def test_one_that_stopped_is_not_there_and_comes_back_with_its_records() -> None:
    with NameServer() as server:
        server.set("app", "A", ["10.0.0.1"])
        server.stop()
        with pytest.raises((OSError, dns.exception.Timeout)):
            dns.query.udp(dns.message.make_query("x.test", "A"), "127.0.0.1", port=server.port, timeout=0.1)
        server.start()
        assert ask(server, "app.example.test").answer
        assert server.asked == ["app.example.test"]
