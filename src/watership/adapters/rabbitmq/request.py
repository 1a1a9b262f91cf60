"""A request is what a message at the front door asks for: an agent, its input, and where the result goes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec
from pamqp.commands import Basic

from watership.adapters.rabbitmq.letters import ReplyTo
from watership.adapters.rabbitmq.topology import NAME_BYTES, PREFIX
from watership.agents.until import Until
from watership.durable.codec import PAYLOAD_LIMIT
from watership.errors import BadInput

ANYBODY: Final = "amqp"
"""Who asks when the message has no `user_id`, which the broker would have verified."""

CONVERSATION: Final = "conversation"
"""The header that names a conversation."""

WITHIN: Final = "within"
DEADLINE: Final = "deadline"
"""The headers that say until when the run is to have ended: in seconds, or as a moment. Not `expiration`, by which the
broker itself would drop a message that nobody has accepted yet."""

ID_CHARACTERS: Final = 200


class NoMessageId(BadInput):
    """Without one a message that is delivered twice would start two runs, and nobody would know."""

    code = "no_message_id"


class TooLarge(BadInput):
    """The body is larger than a journaled value may be."""

    code = "too_large"


class BadReplyTo(BadInput):
    """Answers go to queues of the one who asks, never to ours."""

    code = "bad_reply_to"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and by whom."""

    agent: str
    message_id: str
    person: str
    conversation: str | None
    reply_to: ReplyTo | None
    until: Until


def read_request(agent: str, properties: Basic.Properties, body: bytes) -> Request:
    """The request in a message. Raises BadInput for one that can never be accepted; its input is not looked at."""
    if len(body) > PAYLOAD_LIMIT:
        raise TooLarge(
            f"The body has {len(body):,} bytes, the limit is {PAYLOAD_LIMIT:,}.",
            fix="Send a reference instead.",
        )
    return Request(
        agent=agent,
        message_id=_message_id(properties.message_id),
        person=ANYBODY if not properties.user_id else quote(properties.user_id, safe="@ "),
        conversation=_conversation((properties.headers or {}).get(CONVERSATION)),
        reply_to=read_reply_to(properties),
        until=_until(properties.headers or {}),
    )


def _until(headers: Mapping[str, object]) -> Until:
    """A moment is text (RFC 3339) or AMQP's own timestamp; seconds are a number."""
    try:
        return Until(
            msgspec.convert(headers.get(DEADLINE), datetime | None),
            msgspec.convert(headers.get(WITHIN), float | None),
        )
    except msgspec.ValidationError as error:
        raise BadInput(
            f"The headers {DEADLINE} and {WITHIN} cannot be read: {error}.",
            fix=f"{DEADLINE}: 2026-12-31T17:00:00Z; {WITHIN}: seconds",
        ) from None


def _message_id(given: str | None) -> str:
    if not given:
        raise NoMessageId(
            "The message has no message_id.", fix="Set it, the same one whenever you publish it again."
        )
    if len(given) > ID_CHARACTERS or not given.isprintable():
        raise BadInput(f"A message_id has 1 to {ID_CHARACTERS} printable characters.")
    return given


def _conversation(given: object) -> str | None:
    if given is None or isinstance(given, str):
        return given
    raise BadInput(f"The header {CONVERSATION} is text, not {type(given).__name__}.")


def read_reply_to(properties: Basic.Properties) -> ReplyTo | None:
    """Where the sender wants an answer; None: nowhere. Raises BadReplyTo."""
    queue, correlation_id = properties.reply_to, properties.correlation_id
    if not queue:
        return None
    if queue.startswith(PREFIX) or len(queue.encode()) > NAME_BYTES:
        raise BadReplyTo(f"No answer can be sent to {queue!r}.", fix="Name a queue of your own in reply_to.")
    if correlation_id is not None and len(correlation_id) > NAME_BYTES:
        raise BadReplyTo(f"The correlation_id is longer than {NAME_BYTES} characters.")
    return ReplyTo(queue=queue, correlation_id=correlation_id)
