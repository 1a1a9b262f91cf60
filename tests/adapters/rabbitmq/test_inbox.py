"""The front door starts a run for a message, once; what it can never accept is kept with the reason."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pika
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from tests.adapters.rabbitmq.world import GREEN, SECONDS, World, client, depth, ended, until, world
from watership.adapters.memory.bell import MemoryBell
from watership.adapters.memory.store import MemoryStore
from watership.adapters.rabbitmq.calls import connected
from watership.adapters.rabbitmq.dead import DeadMessage, burial, dead_messages, discard, requeue
from watership.adapters.rabbitmq.inbox import RabbitInbox
from watership.adapters.rabbitmq.topology import INBOX, INBOX_QUEUE
from watership.agents.definition import Definition
from watership.agents.messages import Messages
from watership.durable.clock import SystemClock
from watership.durable.committer import Committer
from watership.durable.counters import Cap
from watership.durable.ids import EntryId, RunId, WorkerId, random_ids
from watership.durable.outbox import Letter
from watership.durable.ports import RunFilter
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import Append, Claim, Claimed, Finish, WhenBusy, Write, Written
from watership.errors import BadInput, NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    description: str = "Greets."
    kind: str = "function"
    input_schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    conversation: WhenBusy = "queue"
    pool: str = "default"
    priority: int = 1
    within_seconds: float | None = None


class Names:
    """A directory of agents that take text."""

    def cards(self) -> Sequence[Card]:
        return [Card("greeter"), Card("shy", conversation="reject")]

    def definition(self, agent: str) -> Definition:
        return {"name": agent}

    def validate(self, agent: str, raw: msgspec.Raw) -> msgspec.Raw:
        try:
            msgspec.json.decode(raw, type=str)
        except msgspec.DecodeError as error:
            raise BadInput(f"The input of {agent} is text: {error}.") from None
        return raw

    def caps(self, run: Run) -> tuple[Cap, ...]:
        return ()


class MoodyStore(MemoryStore):
    """A store that can be away."""

    away = False
    forgetful = False

    async def get(self, run_id: RunId) -> Run | None:
        return None if self.forgetful else await super().get(run_id)

    async def write(self, writes: Sequence[Write]) -> Written:
        if self.away:
            raise Unavailable("The store is away.")
        return await super().write(writes)


@dataclass
class Door:
    """The front door of a process, and everything behind it."""

    here: World
    store: MoodyStore
    committer: Committer
    channel: AbstractChannel
    url: str
    busy: bool = False

    async def send(self, body: bytes, *, agent: str = "greeter", **properties: Any) -> None:
        given = Basic.Properties(**({"message_id": "m1"} | properties))
        await self.channel.basic_publish(body, exchange=INBOX, routing_key=agent, properties=given)

    async def runs(self) -> Sequence[Run]:
        return (await self.store.list(RunFilter())).runs

    async def some_runs(self, count: int = 1) -> Sequence[Run]:
        for _ in range(int(SECONDS * 100)):
            if len(runs := await self.runs()) >= count:
                return runs
            await asyncio.sleep(0.01)
        raise AssertionError(f"{count} run(s) did not come")

    async def dead(self, count: int = 1) -> list[DeadMessage]:
        for _ in range(int(SECONDS * 10)):
            async with connected(self.url, name="test") as connection:
                if len(found := await dead_messages(connection, 100)) >= count:
                    return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"{count} dead letter(s) did not come")

    async def finish(self) -> None:
        """A worker takes the one run that is due and ends it."""
        claim = Claim(
            worker=WorkerId("w"), deployment=GREEN, pool="default", limit=1, lease_seconds=30, poison_limit=9
        )
        claimed = await self.committer.write(claim)
        assert isinstance(claimed, Claimed)
        run = claimed.runs[0].run
        then = Finish(state=RunState.SUCCEEDED, result=msgspec.Raw(b'"hello"'))
        await self.committer.write(
            Append(entry_id=EntryId("e"), run_id=run.id, epoch=run.epoch, events=(), then=then)
        )


@asynccontextmanager
async def door(url: str, *, hold_seconds: float = 30.0) -> AsyncIterator[Door]:
    clock = SystemClock()
    store = MoodyStore(clock)
    await store.set_weights({GREEN: 100}, epoch=0)
    async with (
        world(url) as here,
        Committer(store, MemoryBell(), clock) as committer,
        client(url) as channel,
    ):
        messages = Messages(committer, store, Names(), random_ids())
        opened = Door(here, store, committer, channel, url)
        async with RabbitInbox(
            here.broker,
            messages,
            tenant="acme",
            clock=clock,
            observer=here.notes,
            busy=lambda: opened.busy,
            hold_seconds=hold_seconds,
        ):
            yield opened


async def test_a_message_starts_a_run_of_the_agent_that_its_routing_key_names(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        await inn.send(b'"Ada"', headers={"conversation": "c1"})
        (run,) = await inn.some_runs()
        assert (run.program, bytes(run.input), run.tenant) == ("greeter", b'"Ada"', "acme")
        assert (run.conversation, run.principal) == ("c1", "amqp")
    async with client(rabbit_url) as channel:
        assert await depth(channel, INBOX_QUEUE) == 0


async def test_headers_say_until_when_the_run_is_to_end(rabbit_url: str) -> None:
    until = datetime(2099, 1, 1, tzinfo=UTC)
    async with door(rabbit_url) as inn:
        await inn.send(b'"Ada"', message_id="a", headers={"within": 60})
        await inn.send(b'"Ada"', message_id="b", headers={"deadline": until.isoformat()})
        await inn.send(b'"Ada"', message_id="c", headers={"deadline": until})
        runs = await inn.some_runs(3)
        told = [run.deadline for run in runs if run.deadline != run.created_at + timedelta(seconds=60)]
        assert told == [until, until]


async def test_the_user_that_the_broker_verified_is_the_principal(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        await inn.send(b'"Ada"', user_id="guest")
        (run,) = await inn.some_runs()
        assert run.principal == "guest"


async def test_the_same_message_id_twice_is_one_run(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        await inn.send(b'"Ada"', message_id="same")
        await inn.send(b'"Ada"', message_id="same")
        await inn.send(b'"Bob"', message_id="other")
        assert len(await inn.some_runs(2)) == 2


async def test_another_body_under_the_same_message_id_is_refused(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        await inn.send(b'"Ada"')
        await inn.some_runs()
        await inn.send(b'"Bob"')
        (letter,) = await inn.dead()
        assert letter.reason == "key_reused"
        assert len(await inn.runs()) == 1


@pytest.mark.parametrize(
    ("body", "properties", "agent", "reason"),
    [
        (b"{not json", {}, "greeter", "bad_input"),
        (b"5", {}, "greeter", "bad_input"),
        (b"", {}, "greeter", "bad_input"),
        (b'"Ada"', {}, "nobody", "not_found"),
        (b'"Ada"', {"headers": {"conversation": 5}}, "greeter", "bad_input"),
        (b'"Ada"', {"headers": {"within": -1}}, "greeter", "bad_input"),
        (b'"Ada"', {"headers": {"deadline": "tomorrow"}}, "greeter", "bad_input"),
        (b'"Ada"', {"headers": {"deadline": "2020-01-01T00:00:00Z"}}, "greeter", "too_late"),
        (b'"Ada"', {"reply_to": INBOX_QUEUE}, "greeter", "bad_reply_to"),
        (b'"' + b"a" * 1024 * 1024 + b'"', {}, "greeter", "too_large"),
    ],
)
async def test_what_can_never_start_a_run_is_a_dead_letter_with_its_reason(
    rabbit_url: str, body: bytes, properties: dict[str, Any], agent: str, reason: str
) -> None:
    async with door(rabbit_url) as inn:
        await inn.send(body, agent=agent, **properties)
        (letter,) = await inn.dead()
        assert (letter.reason, letter.routing_key, letter.exchange) == (reason, agent, INBOX)
        assert letter.bytes == len(body)
        assert await inn.runs() == ()


def publish_plainly(url: str, body: bytes) -> None:
    """As a client does that gives no message an id by itself."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().basic_publish(INBOX, "greeter", body)


async def test_a_message_without_an_id_is_a_dead_letter_and_has_one_when_it_is_sent_again(
    rabbit_url: str,
) -> None:
    async with door(rabbit_url) as inn:
        await asyncio.to_thread(publish_plainly, rabbit_url, b'"Ada"')
        (letter,) = await inn.dead()
        assert letter.reason == "no_message_id"
        async with connected(rabbit_url, name="test") as connection:
            await requeue(connection, letter.id)
        assert len(await inn.some_runs()) == 1


async def test_a_dead_letter_is_looked_at_sent_again_and_discarded(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        for name in ("one", "two", "three"):
            await inn.send(b'"Ada"', agent="nobody", message_id=name)
        await inn.dead(3)
        letters = {letter.message_id: letter for letter in await inn.dead(3)}  # looking takes nothing away
        async with connected(rabbit_url, name="test") as connection:
            await discard(connection, letters["two"].id)
            assert {one.message_id for one in await dead_messages(connection, 10)} == {"one", "three"}
            with pytest.raises(NotFound):
                await discard(connection, letters["two"].id)
            await requeue(connection, letters["one"].id)
        await until(lambda: inn.here.notes.count("message refused at the door") == 4)
        (again,) = [one for one in await inn.dead(2) if one.message_id == "one"]
        assert (again.reason, again.routing_key) == ("not_found", "nobody")


async def test_while_the_store_is_away_messages_wait_and_none_is_lost(rabbit_url: str) -> None:
    async with door(rabbit_url, hold_seconds=0.3) as inn:
        inn.store.away = True
        for number in range(5):
            await inn.send(b'"Ada"', message_id=str(number))
        await until(lambda: inn.here.notes.count("message given back") > 0, 60.0)
        inn.store.away = False
        assert len(await inn.some_runs(5)) == 5
        async with connected(rabbit_url, name="test") as connection:
            assert await dead_messages(connection, 10) == []


async def test_while_no_work_is_accepted_messages_wait(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        inn.busy = True
        await inn.send(b'"Ada"')
        await asyncio.sleep(0.3)
        assert await inn.runs() == ()
        inn.busy = False
        assert len(await inn.some_runs()) == 1


async def answered(channel: AbstractChannel, queue: str) -> tuple[str | None, Any]:
    for _ in range(int(SECONDS * 100)):
        message = await channel.basic_get(queue, no_ack=True)
        if message.delivery_tag is not None:
            return message.header.properties.correlation_id, json.loads(message.body)
        await asyncio.sleep(0.01)
    raise AssertionError("no answer came")


async def test_a_refusal_is_answered(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        await inn.channel.queue_declare("mine", exclusive=True)
        await inn.send(b"5", reply_to="mine", correlation_id="c")
        correlation, answer = await answered(inn.channel, "mine")
        assert correlation == "c"
        assert (answer["state"], answer["failure"]["kind"]) == ("refused", "bad_input")


async def test_whoever_asks_again_for_a_run_that_has_ended_gets_its_result(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        await inn.channel.queue_declare("mine", exclusive=True)
        await inn.send(b'"Ada"')
        (run,) = await inn.some_runs()
        assert run.reply_to == ""
        await inn.finish()
        await inn.send(b'"Ada"', reply_to="mine", correlation_id="c")
        correlation, answer = await answered(inn.channel, "mine")
        assert (correlation, answer) == ("c", {"run_id": run.id, "state": "succeeded", "result": "hello"})


async def test_a_run_knows_where_its_answer_goes(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        await inn.send(b'"Ada"', reply_to="mine", correlation_id="c")
        (run,) = await inn.some_runs()
        assert json.loads(run.reply_to) == {"queue": "mine", "correlation_id": "c"}


EXAMPLE = Path(__file__).parents[3] / "examples" / "amqp_client.py"


async def test_the_client_of_the_examples_gets_its_answer(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        client = await asyncio.create_subprocess_exec(
            sys.executable, EXAMPLE, rabbit_url, "greeter", '"Ada"', stdout=asyncio.subprocess.PIPE
        )
        (run,) = await inn.some_runs()
        await inn.finish()
        moved = msgspec.structs.replace(ended(run.id), reply_to=run.reply_to)
        inn.here.post(Letter(moved=(moved,)))
        out, _ = await asyncio.wait_for(client.communicate(), SECONDS)
        assert json.loads(out) == {"run_id": run.id, "state": "succeeded", "result": "hello"}
        assert client.returncode == 0


async def test_an_answer_finds_a_client_without_a_queue(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def hear(message: DeliveredMessage) -> None:
            heard.put_nowait(message.body)

        await inn.channel.basic_consume("amq.rabbitmq.reply-to", hear, no_ack=True)
        await inn.send(b'"Ada"', reply_to="amq.rabbitmq.reply-to", correlation_id="c")
        (run,) = await inn.some_runs()
        moved = msgspec.structs.replace(ended(run.id), reply_to=run.reply_to)
        inn.here.post(Letter(moved=(moved,)))
        answer = await asyncio.wait_for(heard.get(), SECONDS)
        assert json.loads(answer)["result"] == "hello"


async def test_a_message_that_is_committed_is_not_refused_when_its_answer_fails(rabbit_url: str) -> None:
    async with door(rabbit_url) as inn:
        await inn.send(b'"Ada"')
        await inn.some_runs()
        await inn.finish()
        inn.store.forgetful = True
        await inn.send(b'"Ada"', reply_to="mine")
        await until(lambda: inn.here.notes.count("answer not sent"))
        async with connected(rabbit_url, name="test") as connection:
            assert await dead_messages(connection, 10) == []
        assert inn.here.notes.count("message refused at the door") == 0
    async with client(rabbit_url) as channel:
        assert await depth(channel, INBOX_QUEUE) == 0


class Latin(str):
    """Text that a client of another language sends in another encoding."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode("latin-1")


def publish_with(url: str, headers: dict[str, Any]) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        properties = pika.BasicProperties(message_id="odd", headers=headers)
        connection.channel().basic_publish(INBOX, "nobody", b'"Ada"', properties)


@pytest.mark.parametrize("odd", [Latin("\xff"), [{"deep": Latin("\xff")}]], ids=["flat", "deep"])
async def test_a_message_is_buried_whatever_its_headers_are(rabbit_url: str, odd: object) -> None:
    async with door(rabbit_url) as inn:
        await asyncio.to_thread(publish_with, rabbit_url, {"odd": odd})
        (letter,) = await inn.dead()
        assert (letter.reason, letter.message_id) == ("not_found", "odd")
        async with connected(rabbit_url, name="test") as connection:
            await requeue(connection, letter.id)
        await until(lambda: inn.here.notes.count("message refused at the door") == 2)


def test_a_number_that_the_driver_reads_and_cannot_write_is_buried_as_text() -> None:
    given = Basic.Properties(headers={"huge": 1e300, "small": 0.5})
    at = datetime(2026, 1, 1, tzinfo=UTC)
    headers = burial(given, exchange="", key="q", reason="r", detail="d", at=at).headers or {}
    assert (headers["huge"], headers["small"]) == ("1e+300", 0.5)
