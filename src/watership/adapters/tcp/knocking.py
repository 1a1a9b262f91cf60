"""Knocking at a port tells whether it is open, refuses, or says nothing; not a byte is sent."""

from __future__ import annotations

import asyncio
import socket

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
            raise Unavailable(f"{host} is no name that is known: {reason.strerror}.") from reason
        except OSError as reason:
            raise Unavailable(f"No way leads to {address}: {reason}.") from reason
        writer.transport.abort()
        return "open"
