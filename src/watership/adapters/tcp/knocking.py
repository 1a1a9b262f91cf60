"""Knocking at a port tells whether it is open, refuses, or says nothing; not a byte is sent."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import Any

from watership.adapters.address import host_and_port
from watership.errors import Unavailable
from watership.releases.instruments import Knock


class Knocking:
    """Ports over real connections."""

    async def knock(self, address: str, *, timeout: float = 2.0) -> Knock:
        host, port = host_and_port(address)
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return "silent"
        except ConnectionRefusedError:
            return "refused"
        except socket.gaierror as reason:
            raise _unknown(host, reason) from reason
        except OSError as reason:
            raise Unavailable(f"No way leads to {address}: {reason}.") from reason
        writer.transport.abort()
        return "open"

    async def here(self, address: str) -> bool:
        host, port = host_and_port(address)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except socket.gaierror as reason:
            raise _unknown(host, reason) from reason
        return any(_is_own(family, place) for family, _, _, _, place in found)


def _is_own(family: int, place: tuple[Any, ...]) -> bool:
    """Whether the way to an address begins at that address. Nothing is sent: a datagram's socket only looks it up."""
    if ip_address(place[0].partition("%")[0]).is_loopback:
        return True
    with socket.socket(family, socket.SOCK_DGRAM) as line:
        try:
            line.connect(place)
        except OSError:
            return False
        return bool(line.getsockname()[0] == place[0])


def _unknown(host: str, reason: socket.gaierror) -> Unavailable:
    return Unavailable(f"{host} is no name that is known: {reason.strerror}.")
