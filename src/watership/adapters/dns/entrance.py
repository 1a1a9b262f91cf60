"""An entrance in a zone of one's own: changed by signed updates (RFC 2136), by which the authority itself compares."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import dns.asyncquery
import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
from msgspec import Struct

from watership.adapters.address import host_and_port
from watership.adapters.dns.lookup import SECONDS, Lookup
from watership.adapters.dns.mark import Mark, beside, mark_of
from watership.errors import BadInput, Fenced, Unavailable
from watership.releases.ports import Pointing

TRIES: Final = 3
"""Of an update beside which somebody else made one."""

ALGORITHMS: Final = ("hmac-sha256", "hmac-sha384", "hmac-sha512")

BEATEN: Final = (dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN)
"""The authority says that it is no longer as it was when we read it."""


class Key(Struct, frozen=True):
    """What updates are signed with (TSIG); `secret` in base64, as `tsig-keygen` writes it."""

    name: str
    secret: str
    algorithm: str = "hmac-sha256"


class ZoneEntrance:
    """A name's records of one kind. `servers`: its authorities as HOST:PORT, the one that takes updates first.

    The epoch stands beside it, as text at `_watership.NAME`. An update says what both were when they were read, and the
    authority does all of it or nothing: of two controllers the one with the lower epoch changes nothing.
    """

    def __init__(self, name: str, *, zone: str, servers: Sequence[str], key: Key, kind: str = "A") -> None:
        if not servers:
            raise BadInput(f"No authority of {name} is named.", fix="Name those of NS records: dig NS ZONE")
        self.name = name
        self._kind = kind
        self._servers = tuple(servers)
        self._key = _ring(key)
        self._lookup = Lookup()
        try:
            self._zone = dns.name.from_text(zone)
            self._at = dns.name.from_text(name).relativize(self._zone)
            self._mark = dns.name.from_text(beside(name)).relativize(self._zone)
        except dns.exception.DNSException as reason:
            raise BadInput(f"{name!r} in {zone!r} is no name: {reason}.") from reason
        if self._at.is_absolute():
            raise BadInput(f"{name} is not in the zone {zone}.")

    async def read(self) -> Mapping[str, Pointing]:
        said = await asyncio.gather(*(self._read(server) for server in self._servers))
        return dict(zip(self._servers, said, strict=True))

    async def set(self, weights: Mapping[str, int], *, ttl: int, epoch: int) -> None:
        weights = {value.rstrip("."): weight for value, weight in weights.items()}
        if len(set(weights.values())) != 1:
            raise BadInput(
                f"Records of DNS have no weights, so {self.name} cannot have shares.",
                fix="Name where it is to lead, without shares; traffic is split by the load balancer behind it.",
            )
        for _ in range(TRIES):
            there, mark = await self._look(self._servers[0])
            if mark.epoch > epoch:
                raise Fenced(self.name, held=epoch, current=mark.epoch)
            if (set(there.weights), there.ttl, mark.epoch) == (set(weights), ttl, epoch):
                return
            if await self._changed(there, mark, sorted(weights), ttl, epoch):
                return
        raise Unavailable(f"Somebody else changes {self.name} again and again.")

    async def _read(self, server: str) -> Pointing:
        there, _ = await self._look(server)
        return there

    async def _look(self, server: str) -> tuple[Pointing, Mark]:
        found = await self._lookup.lookup(server, self.name, self._kind)
        texts = await self._lookup.lookup(server, beside(self.name), "TXT")
        mark = mark_of(texts.values)
        weights = {value.rstrip("."): 1 for value in found.values}
        return Pointing(weights=weights, ttl=found.ttl if weights else 0, epoch=mark.epoch), mark

    async def _changed(
        self, there: Pointing, mark: Mark, values: Sequence[str], ttl: int, epoch: int
    ) -> bool:
        """Change it, if it still is as it was; whether it was."""
        update = dns.update.UpdateMessage(self._zone, keyring=self._key)
        for name, kind, known in (
            (self._at, self._kind, self._written(there.weights)),
            (self._mark, "TXT", [mark.text()] if mark != Mark() else []),
        ):
            if known:
                update.present(name, kind, *known)
            else:
                update.absent(name, kind)
        update.replace(self._at, ttl, self._kind, *self._written(values))
        update.replace(self._mark, 0, "TXT", mark.after(epoch).text())
        code = await self._sent(update)
        if code in BEATEN:
            return False
        if code != dns.rcode.NOERROR:
            raise Unavailable(
                f"{self._servers[0]} does not take an update of {self.name}: {dns.rcode.to_text(code)}.",
                fix="Look at its update-policy, and at the name and the secret of the key.",
            )
        return True

    def _written(self, values: Iterable[str]) -> list[str]:
        """As a record has them: a name ends in a dot, or it would be one below the zone."""
        return [f"{value}." if self._kind == "CNAME" else value for value in values]

    async def _sent(self, update: dns.update.UpdateMessage) -> dns.rcode.Rcode:
        server = self._servers[0]
        host, port = host_and_port(server, 53)
        try:
            answer = await dns.asyncquery.tcp(update, host, timeout=SECONDS, port=port)
        except dns.exception.Timeout:
            raise Unavailable(f"{server} did not answer an update within {SECONDS:g} s.") from None
        except dns.tsig.PeerError as reason:
            raise Unavailable(
                f"{server} does not know the key, or not so: {reason}.",
                fix="Compare name, secret and algorithm.",
            ) from reason
        except (OSError, EOFError, dns.exception.DNSException) as reason:
            raise Unavailable(
                f"{server} gives no usable answer to an update: {str(reason) or type(reason).__name__}."
            ) from reason
        return answer.rcode()


def _ring(key: Key) -> dns.tsig.Key:
    try:
        if key.algorithm not in ALGORITHMS:
            raise ValueError(key.algorithm)
        base64.b64decode(key.secret, validate=True)
        return dns.tsig.Key(key.name, key.secret, key.algorithm)
    except (binascii.Error, ValueError, dns.exception.DNSException) as reason:
        raise BadInput(
            f"The key {key.name} cannot be used: its secret is no base64, or its algorithm none of "
            f"{', '.join(ALGORITHMS)}.",
            fix="tsig-keygen -a hmac-sha256 watership",
        ) from reason
