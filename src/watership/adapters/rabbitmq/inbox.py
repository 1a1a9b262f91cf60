"""The front door: a message from any AMQP client starts a run, once per message-id."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Final, TypeVar

import msgspec
from aiormq.abc import AbstractConnection, DeliveredMessage
from pamqp.commands import Basic

from watership.adapters.rabbitmq.acks import Acks
from watership.adapters.rabbitmq.broker import Broker
from watership.adapters.rabbitmq.calls import Nacked, Unroutable, call
from watership.adapters.rabbitmq.dead import burial
from watership.adapters.rabbitmq.declaration import apply
from watership.adapters.rabbitmq.letters import DEFAULT_EXCHANGE, JSON, Kind, Refusal, Reply, ReplyTo, answer
from watership.adapters.rabbitmq.request import BadReplyTo, Request, read_reply_to, read_request
from watership.adapters.rabbitmq.topology import DEAD, INBOX_QUEUE, base
from watership.agents.messages import Messages
from watership.durable.clock import Clock
from watership.durable.events import Failure
from watership.durable.ports import Observer
from watership.durable.writes import Submitted
from watership.errors import Unavailable, WatershipError
from watership.fleet.identity import WRITER, Identity

T = TypeVar("T")

PREFETCH: Final = 256
"""Messages that are being submitted at a time; they share the store's transactions."""

HOLD_SECONDS: Final = 60.0
"""How long a message is kept while the store does not take it; then it goes back to the queue, for any other door."""

PAUSE_FIRST: Final = 0.2
PAUSE_MOST: Final = 5.0
"""Seconds between tries while it is kept."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that is committed: as a run of its own, or taken by another."""

    request: Request
    submitted: Submitted
    identity: Identity


class RabbitInbox:
    """A Part of the consuming connection. Use it as an async context manager.

    Acknowledged after COMMIT; what can never start a run goes to the dead letters, with the reason.
    """

    def __init__(
        self,
        broker: Broker,
        messages: Messages,
        *,
        tenant: str,
        clock: Clock,
        observer: Observer,
        busy: Callable[[], bool] = lambda: False,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        """`busy` says that no work should be accepted now: messages then stay in the queue."""
        self._broker = broker
        self._messages = messages
        self._tenant = tenant
        self._clock = clock
        self._observer = observer
        self._busy = busy
        self._hold_seconds = hold_seconds
        self._acks: Acks | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> RabbitInbox:
        await self._stack.enter_async_context(self._broker.consuming.carrying(self))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is not committed yet comes again, here or at another door."""
        await self._stack.aclose()
        if self._acks is not None:
            await self._acks.close()

    async def open(self, connection: AbstractConnection) -> None:
        """Consume the inbox."""
        await apply(connection, base())
        channel = await self._broker.consuming.open_channel(connection)
        self._acks = acks = Acks(channel, self._broker.consuming, self._observer)
        await call("setting the prefetch", channel.basic_qos(prefetch_count=PREFETCH))
        consuming = channel.basic_consume(INBOX_QUEUE, partial(self._arrive, acks))
        await call(f"consuming {INBOX_QUEUE}", consuming)

    def lost(self) -> None:
        """What was not acknowledged comes again; its message-id tells what was committed."""
        self._acks = None

    # --- one message ------------------------------------------------------------------------------------------

    async def _arrive(self, acks: Acks, message: DeliveredMessage) -> None:
        tag = message.delivery_tag
        assert tag is not None, "only an answer to basic.get has none"
        acks.expect(tag)
        try:
            accepted = await self._submit_or_refuse(message)
            if accepted is not None:
                await self._answer_now(accepted)
        except Unavailable as error:
            self._observer.note("message given back", reason=str(error))
            acks.give_back(tag)
        except Exception as error:  # noqa: BLE001 - we could not even bury it; the broker buries it as it is
            self._observer.note("message not buried", reason=repr(error))
            acks.reject(tag)
        else:
            acks.settle(tag)

    async def _submit_or_refuse(self, message: DeliveredMessage) -> Accepted | None:
        try:
            return await self._patiently(partial(self._submit, message))
        except Unavailable:
            raise
        except WatershipError as error:
            await self._patiently(partial(self._refuse, message, error.code, error.message))
        except Exception as error:  # noqa: BLE001 - a person looks at it; it must not come again for ever
            await self._patiently(partial(self._refuse, message, "unexpected", repr(error)))
        return None

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it, trying again for a while. Raises Unavailable when it cannot be done now."""
        pause, give_up = PAUSE_FIRST, self._clock.monotonic() + self._hold_seconds
        while True:
            try:
                return await work()
            except Unavailable:
                if self._clock.monotonic() + pause > give_up:
                    raise
            await self._clock.sleep(pause)
            pause = min(pause * 2, PAUSE_MOST)

    async def _submit(self, message: DeliveredMessage) -> Accepted:
        request = read_request(message.routing_key or "", message.header.properties, message.body)
        if self._busy():
            raise Unavailable("No work is accepted now.")
        identity = Identity(
            person=request.person,
            tenant=self._tenant,
            roles=frozenset({WRITER}),
            expires_at=self._clock.now() + timedelta(seconds=self._hold_seconds),
        )
        submitted = await self._messages.send(
            request.agent,
            msgspec.Raw(message.body),
            identity,
            conversation=request.conversation,
            key=request.message_id,
            reply_to="" if request.reply_to is None else request.reply_to.written(),
            until=request.until,
        )
        return Accepted(request, submitted, identity)

    async def _answer_now(self, accepted: Accepted) -> None:
        """What no end of a run will answer: a message that another run took, or one whose run has ended before.

        The run is committed: whatever goes wrong here, the message has not been refused.
        """
        submitted = accepted.submitted
        to = accepted.request.reply_to
        if to is None or not (submitted.injected or submitted.existing):
            return
        try:
            await self._patiently(partial(self._answer, to, accepted))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - told here; whoever asked may ask again
            self._observer.note("answer not sent", run_id=submitted.run_id, reason=repr(error))

    async def _answer(self, to: ReplyTo, accepted: Accepted) -> None:
        run = await self._messages.get(accepted.submitted.run_id, accepted.identity)
        if accepted.submitted.injected:
            await self._reply(to, Reply(run_id=run.id, state=run.state))
        elif run.ended:
            await self._reply(to, answer(run.id, run.state, run.result, run.failure))

    async def _refuse(self, message: DeliveredMessage, code: str, why: str) -> None:
        """To the dead letters, confirmed, and whoever waits for an answer gets the reason."""
        properties = burial(
            message.header.properties,
            exchange=message.exchange or "",
            key=message.routing_key or "",
            reason=code,
            detail=why,
            at=self._clock.now(),
        )
        await self._broker.publisher.publish(message.body, exchange=DEAD, key="inbox", properties=properties)
        self._observer.note("message refused at the door", code=code, reason=why)
        with contextlib.suppress(BadReplyTo):  # then that is the reason, or another one came first
            if (to := read_reply_to(message.header.properties)) is not None:
                await self._reply(to, Refusal(failure=Failure(kind=code, message=why)))

    async def _reply(self, to: ReplyTo, reply: Reply | Refusal) -> None:
        properties = Basic.Properties(
            content_type=JSON, correlation_id=to.correlation_id, message_type=Kind.REPLY.value
        )
        body = msgspec.json.encode(reply)
        try:
            await self._broker.publisher.publish(
                body, exchange=DEFAULT_EXCHANGE, key=to.queue, properties=properties
            )
        except (Unroutable, Nacked) as error:
            self._observer.note("reply undeliverable", queue=to.queue, reason=str(error))
