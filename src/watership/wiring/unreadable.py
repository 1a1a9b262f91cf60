"""The broker's dead letters as the command line needs them: listed, sent again, discarded."""

from __future__ import annotations

from collections.abc import Sequence

from watership.adapters.rabbitmq import dead
from watership.adapters.rabbitmq.calls import connected
from watership.adapters.rabbitmq.dead import DeadMessage
from watership.config import BrokerSettings
from watership.errors import BadInput

__all__ = ["DeadMessage", "discarded", "listed", "requeued"]

NAME = "watership dead messages"


async def listed(broker: BrokerSettings, limit: int) -> Sequence[DeadMessage]:
    """The oldest ones; looking changes nothing."""
    async with connected(_url(broker), name=NAME, ca_file=broker.ca_file) as connection:
        return await dead.dead_messages(connection, limit)


async def requeued(broker: BrokerSettings, id: str) -> DeadMessage:
    """Send it to where it was sent before. Raises NotFound."""
    async with connected(_url(broker), name=NAME, ca_file=broker.ca_file) as connection:
        return await dead.requeue(connection, id)


async def discarded(broker: BrokerSettings, id: str) -> DeadMessage:
    """Take it out for good. Raises NotFound."""
    async with connected(_url(broker), name=NAME, ca_file=broker.ca_file) as connection:
        return await dead.discard(connection, id)


def _url(broker: BrokerSettings) -> str:
    if not broker.url:
        raise BadInput("There is no broker: broker.url is empty.", fix="Set WATERSHIP_BROKER_URL.")
    return broker.url
