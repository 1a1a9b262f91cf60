"""The management API tells what AMQP does not: which bindings there are."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote, urlsplit

import httpx2
import msgspec

from watership.adapters.rabbitmq.topology import Binding
from watership.errors import Unavailable

SECONDS: Final = 5.0


class _Row(msgspec.Struct, frozen=True):
    source: str
    destination: str
    routing_key: str


async def bindings(management: str, url: str) -> frozenset[Binding]:
    """Every binding of the virtual host that `url` names. Raises Unavailable."""
    parts = urlsplit(url)
    vhost = quote(unquote(parts.path.removeprefix("/")) or "/", safe="")
    auth = (unquote(parts.username or "guest"), unquote(parts.password or "guest"))
    try:
        async with httpx2.AsyncClient(base_url=management, auth=auth, timeout=SECONDS) as http:
            found = await http.get(f"/api/bindings/{vhost}")
            found.raise_for_status()
        rows = msgspec.json.decode(found.content, type=list[_Row])
    except (httpx2.HTTPError, msgspec.DecodeError) as error:
        raise Unavailable(
            f"{management} does not tell the bindings: {str(error) or type(error).__name__}.",
            fix="rabbitmq-plugins enable rabbitmq_management, and look at broker.management",
        ) from error
    return frozenset(Binding(exchange=row.source, queue=row.destination, key=row.routing_key) for row in rows)
