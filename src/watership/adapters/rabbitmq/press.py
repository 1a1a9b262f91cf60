"""A press puts all messages of one turn of the loop into one write; each still has a confirm of its own.

The driver's own `basic_publish` takes a task, a lock and a write for every message, some 200 µs. The driver stays in
charge of the channel: a press numbers messages and awaits confirms in the driver's tables, as the driver does.
"""

from __future__ import annotations

import asyncio
import struct
from functools import lru_cache
from typing import Final

from aiormq import Channel, ChannelInvalidStateError
from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import marshal
from pamqp.header import ContentHeader

from watership.errors import BadInput

PLACES: Final = 512
"""Exchanges and routing keys whose frames are remembered."""

UNWRITABLE: Final = (TypeError, ValueError, OverflowError, struct.error)
"""What the driver raises for names and headers that no frame can hold."""


class Press:
    """Of one channel, on which nobody else publishes: the broker counts messages by their order."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: list[bytes] = []
        self._writing = False

    @property
    def open(self) -> bool:
        """Whether the channel still takes something."""
        return not self._channel.is_closed

    def publish(
        self, body: bytes, *, exchange: str, key: str, properties: Basic.Properties, mandatory: bool
    ) -> asyncio.Future[object]:
        """What waits for the confirm; the driver's errors come out of it. `properties` have a message_id.

        Raises BadInput for what cannot be written as AMQP.
        """
        channel = self._channel
        if channel.is_closed:
            raise ChannelInvalidStateError("the channel is closed")
        # Before anything is counted: the broker counts only what it gets.
        frames = self._frames(body, exchange, key, properties, mandatory)
        confirm: asyncio.Future[object] = channel.create_future()
        channel.delivery_tag += 1
        tag, id = channel.delivery_tag, properties.message_id or ""
        channel.confirmations[tag] = confirm
        if mandatory:  # a message that no queue takes comes back under its id, before its confirm
            channel.message_id_delivery_tag[id] = tag

            def forget(_: asyncio.Future[object]) -> None:
                if channel.message_id_delivery_tag.get(id) == tag:
                    del channel.message_id_delivery_tag[id]

            confirm.add_done_callback(forget)
        self._waiting += frames
        if not self._writing:
            self._writing = True
            _ = channel.create_task(self._write())  # which ends with the channel
        return confirm

    def _frames(
        self, body: bytes, exchange: str, key: str, properties: Basic.Properties, mandatory: bool
    ) -> list[bytes]:
        number, size = self._channel.number, self._channel.max_content_size
        try:
            return [
                _publish(number, exchange, key, mandatory),
                marshal(ContentHeader(properties=properties, body_size=len(body)), number),
                *(marshal(ContentBody(body[at : at + size]), number) for at in range(0, len(body), size)),
            ]
        except UNWRITABLE as error:
            raise BadInput(f"A message to {exchange or key} cannot be written as AMQP: {error}.") from error

    async def _write(self) -> None:
        while self._waiting:
            frames, self._waiting = self._waiting, []
            await self._channel.write_queue.put(ChannelFrame(b"".join(frames), should_close=False))
        self._writing = False


@lru_cache(maxsize=PLACES)
def _publish(channel: int, exchange: str, key: str, mandatory: bool) -> bytes:
    """The frame that says where a message goes, which is the same for many."""
    return marshal(Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory), channel)
