"""Dead letters are messages that could not be used: looked at without loss, sent again, or discarded by a person."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import msgspec
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldValue
from pamqp.encode import encode_table_value

from watership.adapters.rabbitmq.calls import call, open_channel
from watership.adapters.rabbitmq.press import UNWRITABLE
from watership.adapters.rabbitmq.topology import DEAD_QUEUE
from watership.errors import NotFound

REASON: Final = "x-watership-reason"
DETAIL: Final = "x-watership-detail"
EXCHANGE: Final = "x-watership-exchange"
ROUTING_KEY: Final = "x-watership-routing-key"
AT: Final = "x-watership-at"

OURS: Final = frozenset({REASON, DETAIL, EXCHANGE, ROUTING_KEY, AT})
BROKERS: Final = frozenset(
    {"x-death", "x-first-death-queue", "x-first-death-reason", "x-first-death-exchange", "x-delivery-count"}
)
"""Headers that tell of the death; a message that is sent again begins a new life."""

DETAIL_CHARACTERS: Final = 1_000
BODY_CHARACTERS: Final = 500
"""Of the body, for people to recognise it."""

SCAN: Final = 1_000
"""Letters that are held while one is looked for. Beyond them: settle the first ones first."""


class DeadMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that could not be used. `id` is made of its content, so that it names it from look to look."""

    id: str
    reason: str
    detail: str
    exchange: str
    routing_key: str
    message_id: str
    at: str
    bytes: int
    body: str


def burial(
    properties: Basic.Properties, *, exchange: str, key: str, reason: str, detail: str, at: datetime
) -> Basic.Properties:
    """The properties of a message on its way to the dead letters: its own, and why it goes there."""
    told = {
        REASON: reason,
        DETAIL: detail[:DETAIL_CHARACTERS],
        EXCHANGE: exchange,
        ROUTING_KEY: key,
        AT: at.isoformat(),
    }
    return _with_headers(properties, {**(properties.headers or {}), **told})


async def dead_messages(connection: AbstractConnection, limit: int) -> list[DeadMessage]:
    """The oldest ones. Looking changes nothing: all go back to their places."""
    async with _scanning(connection) as (_, messages):
        found: list[DeadMessage] = []
        async for message in messages:
            found.append(describe(message))
            if len(found) >= min(limit, SCAN):
                break
        return found


async def requeue(connection: AbstractConnection, id: str) -> DeadMessage:
    """Send it to where it was sent before, and take it out once that is confirmed. Raises NotFound."""
    async with _scanning(connection) as (channel, messages):
        message = await _find(messages, id)
        told = describe(message)
        publishing = channel.basic_publish(
            message.body,
            exchange=told.exchange,
            routing_key=told.routing_key,
            properties=_alive(message.header.properties),
            mandatory=True,
        )
        await call(f"publishing to {told.exchange or told.routing_key}", publishing)
        await _take_out(channel, message)
        return told


async def discard(connection: AbstractConnection, id: str) -> DeadMessage:
    """Take it out for good. Raises NotFound."""
    async with _scanning(connection) as (channel, messages):
        message = await _find(messages, id)
        await _take_out(channel, message)
        return describe(message)


def describe(message: DeliveredMessage) -> DeadMessage:
    """What a person wants to know of it."""
    headers = message.header.properties.headers or {}
    death = _first_death(headers)
    return DeadMessage(
        id=_id(message),
        reason=str(headers.get(REASON) or death.get("reason") or "unknown"),
        detail=str(headers.get(DETAIL) or f"from {death.get('queue', 'somewhere')}"),
        exchange=str(headers.get(EXCHANGE, death.get("exchange", ""))),
        routing_key=str(headers.get(ROUTING_KEY, _first(death.get("routing-keys")))),
        message_id=message.header.properties.message_id or "",
        at=str(headers.get(AT) or death.get("time") or ""),
        bytes=len(message.body),
        body=message.body.decode(errors="replace")[:BODY_CHARACTERS],
    )


def _id(message: DeliveredMessage) -> str:
    headers = message.header.properties.headers or {}
    death = _first_death(headers)
    told = (message.header.properties.message_id, headers.get(AT), death.get("time"), death.get("queue"))
    return hashlib.sha256(repr(told).encode() + message.body).hexdigest()[:16]


def _first_death(headers: Mapping[str, object]) -> Mapping[str, object]:
    """Why the broker itself gave a message up; the newest reason stands first, the oldest last."""
    deaths = headers.get("x-death")
    oldest = deaths[-1] if isinstance(deaths, list) and deaths else {}
    return oldest if isinstance(oldest, dict) else {}


def _first(keys: object) -> object:
    return keys[0] if isinstance(keys, list) and keys else ""


def _alive(properties: Basic.Properties) -> Basic.Properties:
    headers = {
        name: value for name, value in (properties.headers or {}).items() if name not in OURS | BROKERS
    }
    return _with_headers(properties, headers)


def _with_headers(properties: Basic.Properties, headers: Mapping[str, object]) -> Basic.Properties:
    """A copy. Without `user_id`, which the broker takes from its owner only, and without what expires a letter."""
    return Basic.Properties(
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        headers={name: _writable(value) for name, value in headers.items()},
        delivery_mode=2,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        message_id=properties.message_id,
        timestamp=properties.timestamp,
        message_type=properties.message_type,
        app_id=properties.app_id,
    )


def _writable(value: object) -> FieldValue:
    """As the driver can write it: it reads more kinds of values than it writes."""
    match value:
        case bytes():
            return bytearray(value)
        case list():
            return [_writable(each) for each in value]
        case dict():
            return {name: _writable(each) for name, each in value.items()}
    try:
        encode_table_value(value)  # type: ignore[arg-type]  # that is the question
    except UNWRITABLE:
        return repr(value)
    return value  # type: ignore[return-value]  # it was just written


@asynccontextmanager
async def _scanning(
    connection: AbstractConnection,
) -> AsyncIterator[tuple[AbstractChannel, AsyncIterator[DeliveredMessage]]]:
    """The letters, one after the other. Closing the channel puts back all that were not taken out."""
    channel = await open_channel(connection)
    try:
        yield channel, _each(channel)
    finally:
        await call("closing a channel", channel.close())


async def _each(channel: AbstractChannel) -> AsyncIterator[DeliveredMessage]:
    for _ in range(SCAN):
        message = await call(f"reading {DEAD_QUEUE}", channel.basic_get(DEAD_QUEUE))
        if message.delivery_tag is None:
            return
        yield message


async def _find(messages: AsyncIterator[DeliveredMessage], id: str) -> DeliveredMessage:
    async for message in messages:
        if _id(message) == id:
            return message
    raise NotFound(f"There is no dead letter {id} among the first {SCAN:,}.", fix="watership dead messages")


async def _take_out(channel: AbstractChannel, message: DeliveredMessage) -> None:
    assert message.delivery_tag is not None, "an empty answer is no letter"
    await call("acknowledging", channel.basic_ack(message.delivery_tag))
