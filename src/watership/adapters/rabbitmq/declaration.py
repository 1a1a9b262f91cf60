"""Declarations are applied to a broker, and compared with what stands there."""

from __future__ import annotations

from collections.abc import Sequence, Set
from enum import StrEnum
from typing import assert_never

import msgspec
from aiormq.abc import AbstractChannel, AbstractConnection

from watership.adapters.rabbitmq.calls import call, open_channel
from watership.adapters.rabbitmq.topology import Binding, Declaration, Exchange, Queue
from watership.errors import Conflict, NotAllowed, NotFound


class Standing(StrEnum):
    """How a declaration compares with what the broker has."""

    SAME = "same"
    MISSING = "missing"
    DIFFERENT = "different"
    UNSEEN = "unseen"
    """AMQP does not show it: a binding, or something that we may not declare."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one declaration."""

    kind: str
    name: str
    standing: Standing
    detail: str = ""


async def apply(connection: AbstractConnection, declarations: Sequence[Declaration]) -> None:
    """Declare all; what stands already is left as it is. Raises Conflict where something has other arguments.

    A user who may not configure gets by when everything is there already.
    """
    if not declarations:
        return
    channel = await open_channel(connection)
    try:
        for each in declarations:
            await _declare(channel, each)
    except NotAllowed:
        await _all_there(connection, declarations)
    else:
        await call("closing a channel", channel.close())


async def verify(
    connection: AbstractConnection,
    declarations: Sequence[Declaration],
    *,
    bindings: Set[Binding] | None = None,
) -> list[Found]:
    """Compare, and change nothing. What cannot be told is said to be unseen, not right.

    `bindings` are all that there are, for AMQP does not list them; None where nobody knows.
    """
    return [
        _among(bindings, each) if isinstance(each, Binding) else await _compare(connection, each)
        for each in declarations
    ]


def _among(bindings: Set[Binding] | None, one: Binding) -> Found:
    if bindings is None:
        return Found(kind="binding", name=one.name, standing=Standing.UNSEEN, detail="AMQP lists no bindings")
    standing = Standing.SAME if one in bindings else Standing.MISSING
    return Found(kind="binding", name=one.name, standing=standing)


async def _compare(connection: AbstractConnection, one: Exchange | Queue) -> Found:
    kind = type(one).__name__.lower()
    try:
        await _attempt(connection, one, passive=True)
    except NotFound:
        return Found(kind=kind, name=one.name, standing=Standing.MISSING)
    except NotAllowed as refused:
        return Found(kind=kind, name=one.name, standing=Standing.UNSEEN, detail=refused.message)
    try:
        # It stands, so that declaring it changes nothing: the broker only compares.
        await _attempt(connection, one)
    except Conflict as other:
        return Found(kind=kind, name=one.name, standing=Standing.DIFFERENT, detail=other.message)
    except NotAllowed as refused:
        return Found(kind=kind, name=one.name, standing=Standing.UNSEEN, detail=refused.message)
    return Found(kind=kind, name=one.name, standing=Standing.SAME)


async def _all_there(connection: AbstractConnection, declarations: Sequence[Declaration]) -> None:
    """Return if exchanges and queues exist, whatever their arguments. Raises NotFound otherwise."""
    for each in declarations:
        if not isinstance(each, Binding):
            await _attempt(connection, each, passive=True)


async def _attempt(connection: AbstractConnection, one: Declaration, *, passive: bool = False) -> None:
    """On a channel of its own, which a refusal closes."""
    channel = await open_channel(connection)
    await _declare(channel, one, passive=passive)
    await call("closing a channel", channel.close())


async def _declare(channel: AbstractChannel, one: Declaration, *, passive: bool = False) -> None:
    match one:
        case Exchange(name=name, kind=kind):
            declaring = channel.exchange_declare(name, exchange_type=kind, durable=True, passive=passive)
            await call(f"exchange {name}", declaring)
        case Queue(name=name, arguments=arguments):
            queue = channel.queue_declare(name, durable=True, arguments=dict(arguments), passive=passive)
            await call(f"queue {name}", queue)
        case Binding(exchange=exchange, queue=name, key=key):
            await call(f"binding {one.name}", channel.queue_bind(name, exchange, routing_key=key))
        case _:
            assert_never(one)
