"""A call to the broker has an end, and what goes wrong in it becomes an error of ours."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Final, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException

from watership.adapters.rabbitmq.refusal import checked, refusal
from watership.errors import BadInput, Conflict, NotAllowed, NotFound, Unavailable, WatershipError

T = TypeVar("T")

CALL_SECONDS: Final = 10.0
"""For an answer. A confirm of a quorum queue takes some ms, a few hundred when the broker is busy."""

CONNECT_SECONDS: Final = 5.0

HEARTBEAT_SECONDS: Final = 10
"""A peer that is gone without a word is noticed after 20 to 30 s; less takes a busy machine for a dead one."""

DRIVER: Final = (aiormq.exceptions.AMQPError, PAMQPException, OSError, RuntimeError, EOFError)
"""What the driver raises; RuntimeError for a channel or a connection that is closed already."""

for driver in ("aiormq", "aiormq.connection", "aiormq.channel"):
    # It logs what it raises as well; we tell that once, through the observer.
    logging.getLogger(driver).setLevel(logging.CRITICAL)


class Lost(Unavailable):
    """The broker did not answer, or the connection went; whether it did what was asked is unknown."""


class Unroutable(Unavailable):
    """No queue takes a message of that routing key."""


class Nacked(Unavailable):
    """The broker refused a message: its queue is full."""


async def call(what: str, waiting: Awaitable[T], seconds: float = CALL_SECONDS) -> T:
    """The answer. Raises Lost, Unroutable, Nacked, NotFound (404), Conflict (406) or NotAllowed (403)."""
    try:
        async with asyncio.timeout(seconds):
            return await waiting
    except TimeoutError:
        raise Lost(f"RabbitMQ did not answer within {seconds:g} s: {what}.") from None
    except asyncio.CancelledError:
        # The driver cancels its own futures when a connection goes: that is not our caller's cancellation.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise Lost(f"The connection to RabbitMQ was lost: {what}.") from None
    except Exception as error:  # when a connection ends the driver may raise Exception itself, without a word
        raise translated(what, error) from error


def translated(what: str, error: BaseException) -> WatershipError:
    """The driver's error in our words."""
    match error:
        case aiormq.exceptions.DeliveryError():
            if isinstance(error.frame, Basic.Nack):
                return Nacked(f"RabbitMQ refused a message: {what}.")
            return Unroutable(f"RabbitMQ has no queue for a message: {what}.")
        case aiormq.exceptions.ChannelNotFoundEntity():
            return NotFound(f"{what}: {error}.", fix="watership topology apply")
        case aiormq.exceptions.ChannelPreconditionFailed():
            return Conflict(f"{what}: {error}.", fix="watership topology verify")
        case aiormq.exceptions.ChannelAccessRefused() | aiormq.exceptions.ConnectionNotAllowed():
            return NotAllowed(f"{what}: {error}.", fix="rabbitmqctl list_permissions; see docs/rabbitmq.md")
        case _:
            return Lost(f"{what}: {str(error) or type(error).__name__}.")


async def connect(url: str, *, name: str, ca_file: str = "") -> AbstractConnection:
    """A plain connection; with `amqps://` the server's certificate is verified, against `ca_file` if given.

    Raises BadInput for what is no address, NotAllowed when we are refused, Unavailable when nobody answers.
    """
    given = checked(urlsplit(url))
    query = {"heartbeat": str(HEARTBEAT_SECONDS), "name": name} | dict(parse_qsl(given.query))
    context = trust(ca_file) if given.scheme == "amqps" else None
    connecting = aiormq.connect(urlunsplit(given._replace(query=urlencode(query))), context=context)
    try:
        return await call("connecting", connecting, CONNECT_SECONDS)
    except (Unavailable, NotAllowed) as error:
        raise refusal(given, error) from error.__cause__


@asynccontextmanager
async def connected(url: str, *, name: str, ca_file: str = "") -> AsyncIterator[AbstractConnection]:
    """A connection for one errand."""
    connection = await connect(url, name=name, ca_file=ca_file)
    try:
        yield connection
    finally:
        await call("closing the connection", connection.close())


async def open_channel(connection: AbstractConnection) -> AbstractChannel:
    """A channel with confirms, where a message that no queue takes is an error."""
    opening = connection.channel(publisher_confirms=True, on_return_raises=True)
    return await call("opening a channel", opening)


def trust(ca_file: str) -> ssl.SSLContext:
    """What a server must prove. Raises BadInput when the file cannot be used."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        raise BadInput(f"The certificates in {ca_file} cannot be read: {error}.") from None
