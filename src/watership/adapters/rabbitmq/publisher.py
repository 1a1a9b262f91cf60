"""A publisher sends messages over the publishing connection; each is confirmed, or its sender hears why not."""

from __future__ import annotations

from typing import Final

from aiormq import Channel
from aiormq.abc import AbstractConnection
from pamqp.commands import Basic

from watership.adapters.rabbitmq.calls import CALL_SECONDS, Lost, call, translated
from watership.adapters.rabbitmq.declaration import apply
from watership.adapters.rabbitmq.press import Press
from watership.adapters.rabbitmq.supervisor import Supervisor
from watership.adapters.rabbitmq.topology import Declaration, base
from watership.durable.ids import NewId
from watership.errors import WatershipError

PERSISTENT: Final = 2
"""The delivery mode of what is to outlive the broker's process; quorum queues make it of everything."""


class Publisher:
    """A Part of the publishing connection; all senders of a process share it."""

    def __init__(self, supervisor: Supervisor, new_id: NewId) -> None:
        self._supervisor = supervisor
        self._new_id = new_id
        self._connection: AbstractConnection | None = None
        self._press: Press | None = None

    @property
    def able(self) -> bool:
        """Whether a message could go out now."""
        return self._press is not None and self._press.open and not self._supervisor.blocked

    async def open(self, connection: AbstractConnection) -> None:
        """Begin on a new connection; whatever is published to exists from then on."""
        await apply(connection, base())
        channel = await self._supervisor.open_channel(connection)
        assert isinstance(channel, Channel), "the driver has one kind of channel"
        self._press = Press(channel)
        self._connection = connection

    def lost(self) -> None:
        """What waits for its confirm hears of it by itself."""
        self._connection, self._press = None, None

    async def publish(
        self,
        body: bytes,
        *,
        exchange: str,
        key: str,
        properties: Basic.Properties,
        mandatory: bool = True,
        seconds: float = CALL_SECONDS,
    ) -> None:
        """Returns once confirmed. Raises Lost (it may have arrived), Nacked, or Unroutable if it is mandatory; BadInput
        when it cannot be written as AMQP."""
        if self._press is None:
            raise Lost("There is no connection to RabbitMQ.")
        properties.message_id = properties.message_id or self._new_id()
        what = f"publishing to {exchange or key}"
        try:
            confirm = self._press.publish(
                body, exchange=exchange, key=key, properties=properties, mandatory=mandatory
            )
        except WatershipError:
            raise
        except Exception as error:  # a channel that was closed a moment ago, before `lost` told us
            raise translated(what, error) from error
        await call(what, confirm, seconds)

    async def declare(self, declarations: list[Declaration]) -> None:
        """Make what a message needs and does not find. Raises Lost."""
        if self._connection is None:
            raise Lost("There is no connection to RabbitMQ.")
        await apply(self._connection, declarations)
