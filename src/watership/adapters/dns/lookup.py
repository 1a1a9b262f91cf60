"""A lookup asks the authority itself: what it says is what every resolver will say, once its cache is old enough."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from watership.adapters.address import host_and_port
from watership.errors import BadInput, Unavailable
from watership.releases.instruments import DnsAnswer

SECONDS: Final = 5.0
"""For the question, asked again by TCP where the answer is too long for UDP."""

EXISTING: Final = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


class Lookup:
    """Dns over UDP, and over TCP for long answers."""

    async def lookup(self, server: str, name: str, kind: str = "A") -> DnsAnswer:
        host, port = host_and_port(server, 53)
        question = _question(name, kind)
        try:
            address = await _address(host, port)
            answer = await _ask(question, address, port)
        except dns.exception.Timeout:
            raise Unavailable(f"{server} did not answer within {SECONDS:g} s.") from None
        except (OSError, EOFError, dns.exception.DNSException) as reason:
            raise Unavailable(
                f"{server} gives no answer for {name}: {str(reason) or type(reason).__name__}."
            ) from reason
        return _read(server, name, kind, answer)


def _question(name: str, kind: str) -> dns.message.QueryMessage:
    """Without the wish for recursion: a resolver would answer from its cache."""
    try:
        return dns.message.make_query(name, kind, flags=0)
    except dns.rdatatype.UnknownRdatatype:
        raise BadInput(
            f"There are no records of kind {kind}.", fix="Say one such as A, AAAA, CNAME."
        ) from None
    except (dns.exception.DNSException, UnicodeError) as reason:
        raise BadInput(f"{name!r} is no name: {reason}.") from reason


async def _ask(question: dns.message.Message, address: str, port: int) -> dns.message.Message:
    backend = dns.asyncbackend.get_default_backend()
    # A connected socket, unlike the library's own, hears at once that nobody listens there.
    family, place = dns.inet.af_for_address(address), (address, port)
    made = backend.make_socket(family, socket.SOCK_DGRAM, destination=place)  # type: ignore[no-untyped-call]
    async with await made as line:
        answer, _ = await dns.asyncquery.udp_with_fallback(
            question, address, timeout=SECONDS, port=port, udp_sock=line
        )
    return answer


async def _address(host: str, port: int) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    return str(found[0][4][0])


def _read(server: str, name: str, kind: str, answer: dns.message.Message) -> DnsAnswer:
    if answer.rcode() not in EXISTING:
        raise Unavailable(f"{server} answers {dns.rcode.to_text(answer.rcode())} for {name}.")
    if not answer.flags & dns.flags.AA:
        raise Unavailable(
            f"{server} is no authority for {name}: how long its answer holds, another one decides.",
            fix=f"Name the authority: dig +short NS {name}, or the domain above it.",
        )
    assert isinstance(answer, dns.message.QueryMessage)
    try:
        found = answer.resolve_chaining()
    except dns.exception.DNSException as reason:
        raise Unavailable(f"{server} gives no usable answer for {name}: {reason}.") from reason
    if found.answer is None and found.cnames:
        raise BadInput(
            f"{name} is another name of {found.canonical_name}, which {server} does not know.",
            fix="Ask for CNAME, or ask the authority of the other name.",
        )
    values = tuple(sorted(record.to_text() for record in found.answer or ()))
    # An absence is kept for as long as the zone's SOA says; without one it is not kept.
    ttl = found.minimum_ttl if values or answer.authority else 0
    return DnsAnswer(values=values, ttl=ttl)
