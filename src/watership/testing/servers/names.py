"""A name server of a test: the authority of one zone, whose records are changed while it runs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from watership.errors import Conflict
from watership.testing.servers.ports import LOOPBACK, free_port

NEGATIVE_TTL: Final = 30
"""Seconds that the absence of a name may be kept, as the zone's SOA says."""

LONGEST: Final = 4096
"""Bytes of a question."""

ALIASES: Final = 8
"""Names that are followed from one to the next."""


class NameServer:
    """DNS over UDP in a thread. Names are relative to `zone`, or whole with a dot at their end; "@" is the zone."""

    def __init__(self, zone: str = "example.test") -> None:
        self.zone = dns.name.from_text(zone)
        self.port = free_port()
        self.authoritative = True
        """Without it, it answers as a resolver would from its cache."""
        self.asked: list[str] = []
        """The names that were asked for, in order."""
        self._records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.set("@", "SOA", [f"ns.{zone}. admin.{zone}. 1 3600 600 86400 {NEGATIVE_TTL}"], ttl=3600)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def set(self, name: str, kind: str, values: Sequence[str], *, ttl: int = 300) -> None:
        """Let a name have these records of a kind, and no others; without values, none."""
        key = (self._name(name), dns.rdatatype.from_text(kind))
        if values:
            self._records[key] = dns.rrset.from_text(key[0], ttl, "IN", kind, *values)
        else:
            self._records.pop(key, None)

    def start(self) -> Self:
        """Answer; again at the same port after `stop`."""
        if self._socket is not None:
            raise Conflict("This name server runs already.")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, self.port))
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answer nobody any more; the records are kept."""
        if self._socket is None or self._thread is None:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wake:
            wake.sendto(b"", (LOOPBACK, self.port))  # closing would not wake a thread that listens
        self._thread.join()
        self._socket.close()
        self._socket = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, question: dns.message.Message) -> dns.message.Message:
        """What the authority says, with the names that an alias leads to, as far as they are in the zone."""
        answer = dns.message.make_response(question)
        asked = question.question[0]
        self.asked.append(asked.name.to_text(omit_final_dot=True))
        if not asked.name.is_subdomain(self.zone):
            answer.set_rcode(dns.rcode.REFUSED)
            return answer
        if self.authoritative:
            answer.flags |= dns.flags.AA
        name = asked.name
        for _ in range(ALIASES):
            alias = self._records.get((name, dns.rdatatype.CNAME))
            found = self._records.get((name, asked.rdtype), alias)
            if found is None:
                break
            answer.answer.append(found)
            if found is not alias or asked.rdtype == dns.rdatatype.CNAME:
                return answer
            name = found[0].target
        if not answer.answer:
            answer.authority.append(self._records[self.zone, dns.rdatatype.SOA])
            if not any(known.is_subdomain(asked.name) for known, _ in tuple(self._records)):
                answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def _name(self, name: str) -> dns.name.Name:
        return dns.name.from_text(name, self.zone)

    def _serve(self, line: socket.socket) -> None:
        while True:
            raw, sender = line.recvfrom(LONGEST)
            if not raw:
                return
            try:
                question = dns.message.from_wire(raw)
            except dns.exception.DNSException:  # whoever that was, it was no resolver
                continue
            if question.question:
                line.sendto(self.answer(question).to_wire(max_size=LONGEST), sender)
