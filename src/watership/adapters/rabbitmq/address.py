"""The broker's address: what can never be reached is refused before anybody tries."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from watership.errors import BadInput

EXAMPLE: Final = "amqp://user:password@host:5672/vhost"
KINDS: Final = ("amqp", "amqps")


def check_address(url: str) -> None:
    """Raises BadInput for a URL that names no broker; whether one is there is another question."""
    try:
        given = urlsplit(url)
        names = given.scheme, given.hostname, given.port
    except ValueError as error:
        raise BadInput(f"broker.url cannot be read: {error}.", fix=f"Say {EXAMPLE}") from None
    if names[0] not in KINDS or not names[1]:
        raise BadInput(
            f"broker.url names no broker: it begins with {names[0] or url[:20]}.", fix=f"Say {EXAMPLE}"
        )
