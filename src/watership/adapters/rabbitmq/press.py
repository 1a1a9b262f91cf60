"""A press puts all messages of one turn of the loop into one write; each still has a confirm of its own.

The driver's own `basic_publish` takes a task, a lock and a write for every message, some 200 µs. The driver stays in
charge of the channel: a press numbers messages and awaits confirms in the driver's tables, as the driver does.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Final

from aiormq import Channel, ChannelInvalidStateError
from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import marshal
from pamqp.header import ContentHeader

PLACES: Final = 512
"""Exchanges and routing keys whose frames are remembered."""


class Press:
    """Of one channel, on which nobody else publishes: the broker counts messages by their order."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: list[bytes] = []
        self._writing = False

    def publish(
        self, body: bytes, *, exchange: str, key: str, properties: Basic.Properties, mandatory: bool
    ) -> asyncio.Future[object]:
        """What waits for the confirm; the driver's errors come out of it. `properties` have a message_id."""
        channel = self._channel
        if channel.is_closed:
            raise ChannelInvalidStateError("the channel is closed")
        channel.delivery_tag += 1
        tag, id = channel.delivery_tag, properties.message_id or ""
        confirm: asyncio.Future[object] = channel.create_future()
        channel.confirmations[tag] = confirm
        if mandatory:  # a message that no queue takes comes back under its id, before its confirm
            channel.message_id_delivery_tag[id] = tag

            def forget(_: asyncio.Future[object]) -> None:
                if channel.message_id_delivery_tag.get(id) == tag:
                    del channel.message_id_delivery_tag[id]

            confirm.add_done_callback(forget)
        self._waiting.append(_publish(channel.number, exchange, key, mandatory))
        self._waiting.append(
            marshal(ContentHeader(properties=properties, body_size=len(body)), channel.number)
        )
        size = channel.max_content_size
        for start in range(0, len(body), size):
            self._waiting.append(marshal(ContentBody(body[start : start + size]), channel.number))
        if not self._writing:
            self._writing = True
            _ = channel.create_task(self._write())  # which ends with the channel
        return confirm

    async def _write(self) -> None:
        while self._waiting:
            frames, self._waiting = self._waiting, []
            await self._channel.write_queue.put(ChannelFrame(b"".join(frames), should_close=False))
        self._writing = False


@lru_cache(maxsize=PLACES)
def _publish(channel: int, exchange: str, key: str, mandatory: bool) -> bytes:
    """The frame that says where a message goes, which is the same for many."""
    return marshal(Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory), channel)
