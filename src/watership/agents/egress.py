"""Egress rules say where a tool may go: hosts that are named, by the web's ports, at addresses of the public net."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import msgspec

from watership.errors import BadInput, NotAllowed

PORTS: Final = {"http": 80, "https": 443}
"""The schemes that there are, each with its own port."""

URL_CHARACTERS: Final = 2_048
"""Longer than any address that a person or a program was given; room enough to carry a file out, if one were let."""

ANY_HOST: Final = "*"
LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST: Final = re.compile(rf"({LABEL}\.)*{LABEL}")
NUMBER: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
"""The last part of what resolvers take for an IPv4 address, in whatever base: 2130706433, 0x7f.1, 017700000001."""

GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""All that is handed out of IPv6; the rest is local, mapped, translated (NAT64), multicast or reserved."""

TUNNELS: Final = (IPv6Network("2001::/23"), IPv6Network("2002::/16"))
"""Teredo and other protocols, and 6to4: an IPv4 address stands inside, and the packet may go there."""

CLOUD: Final = frozenset({IPv4Address("168.63.129.16")})
"""A public address by which a cloud's machines ask for their own credentials and settings; the others' are local."""

Address = IPv4Address | IPv6Address


class Refused(NotAllowed):
    """A tool was to go where it may not. Nothing was sent."""

    code = "egress_refused"


class Target(msgspec.Struct, frozen=True):
    """A URL that may be asked, taken apart; its addresses are judged once they are known."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_address(self) -> bool:
        """Whether the host is an address, which stands for nothing but itself."""
        return _is_address(self.host)

    @property
    def authority(self) -> str:
        """The host as a request names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class EgressRules(msgspec.Struct, frozen=True, kw_only=True):
    """`hosts`: names, "*.example.org" for those below one, "*" for all. `ports`: beside those of the schemes.

    `inside`: networks that are reached although they are not public, where a tool is to call a service of one's own.
    """

    hosts: tuple[str, ...]
    ports: frozenset[int] = frozenset()
    inside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for host in self.hosts:
            if host != ANY_HOST and not _is_name(host.removeprefix("*.")) and not _is_address(host):
                raise BadInput(
                    f"{host!r} names no host.", fix='Say "api.example.com", "*.example.com" or "*".'
                )
        for network in self.inside:
            try:
                ip_network(network)
            except ValueError as reason:
                raise BadInput(f"{network!r} is no network: {reason}.", fix='Say "10.1.2.0/24".') from None

    def target(self, url: str, house: Sequence[str] | None = None) -> Target:
        """What `url` names, if it may be asked by these rules and by those of the `house`. Raises Refused."""
        target = _parse(url)
        if target.port != PORTS[target.scheme] and target.port not in self.ports:
            raise Refused(f"Port {target.port} is not allowed.", fix="Give Egress the port: ports={8443}.")
        if not _named(target.host, self.hosts):
            raise Refused(
                f"The host {target.host} is not allowed.", fix="Give Egress the host, if it is to be reached."
            )
        if house is not None and not _named(target.host, house):
            raise Refused(
                f"The host {target.host} is not allowed here.",
                fix="The setting policy.hosts names those that are.",
            )
        return target

    def check(self, host: str, addresses: Sequence[str]) -> str:
        """The address to connect to: the first one. Raises Refused unless each of them may be connected to: a name that
        stands for one that may and one that may not is a trick."""
        if not addresses:
            raise Refused(f"The host {host} has no address.")
        for each in addresses:
            address = ip_address(each.partition("%")[0])
            within = any(address in ip_network(network) for network in self.inside)
            if not within and not is_public(address):
                raise Refused(f"The host {host} stands for {each}, which is not of the public net.")
        return addresses[0]


def is_public(address: Address) -> bool:
    """Whether it is a host of the public net, and nothing that some router or kernel takes for another address."""
    if address.is_multicast or not address.is_global:
        return False
    match address:
        case IPv4Address():
            return address not in CLOUD
        case IPv6Address():
            return address in GLOBAL_UNICAST and not any(address in tunnel for tunnel in TUNNELS)


def _parse(url: str) -> Target:
    """The parts of a URL that has one meaning only. Raises Refused for those that programs read in different ways."""
    if (
        len(url) > URL_CHARACTERS
        or not url.isascii()
        or not url.isprintable()
        or set(url) & set(' \\"<>^`{|}')
    ):
        raise Refused("The URL is too long, or has characters that no URL has.", fix="Encode them with %.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as reason:
        raise Refused(f"The URL cannot be read: {reason}.") from None
    if parts.scheme not in PORTS:
        raise Refused(
            f"The scheme {parts.scheme or 'of nothing'!r} is not allowed.", fix="Use https:// or http://."
        )
    if "@" in parts.netloc:
        raise Refused("The URL holds a name or a password.", fix="Send credentials in a header.")
    host = host.removesuffix(".")
    if not _is_address(host) and not _is_name(host):
        raise Refused(f"The host {host!r} is no name and no address in its usual form.")
    query = f"?{parts.query}" if parts.query else ""
    return Target(
        parts.scheme, host, PORTS[parts.scheme] if port is None else port, (parts.path or "/") + query
    )


def _is_name(host: str) -> bool:
    """Whether it is a name, and nothing that a resolver takes for an address."""
    return HOST.fullmatch(host) is not None and NUMBER.fullmatch(host.rpartition(".")[2]) is None


def _is_address(host: str) -> bool:
    """Whether it is an address in the one form that all programs read alike."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return isinstance(address, IPv6Address) or str(address) == host


def _named(host: str, hosts: Sequence[str]) -> bool:
    return any(
        each in (ANY_HOST, host) or (each.startswith("*.") and host.endswith(each[1:])) for each in hosts
    )
