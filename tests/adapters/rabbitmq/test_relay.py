"""Letters reach the broker, and leave the outbox only then."""

from __future__ import annotations

import asyncio
import json

import msgspec

from tests.adapters.rabbitmq.world import (
    GREEN,
    POOL,
    bodies,
    client,
    depth,
    ended,
    until,
    wakeup,
    world,
)
from watership.adapters.rabbitmq.letters import (
    EVENT_BYTES,
    EVENTS_PER_MESSAGE,
    RUNS_PER_MESSAGE,
    ReplyTo,
    messages,
)
from watership.adapters.rabbitmq.topology import EVENTS, WAKEUPS, Queue, wakeup_declarations, wakeup_queue
from watership.durable.events import Failure
from watership.durable.outbox import Letter, Posted
from watership.durable.states import RunState


def test_runs_of_one_transaction_share_messages_that_several_workers_can_share() -> None:
    letter = wakeup(*(f"r{number}" for number in range(40)))
    found = messages(Posted(number=1, letter=letter))
    assert [len(json.loads(one.body)["runs"]) for one in found] == [16, 16, 8]
    assert len({one.id for one in found}) == 3
    assert RUNS_PER_MESSAGE == 16


def test_an_event_tells_nobody_where_an_answer_goes() -> None:
    moved = ended(reply_to=ReplyTo(queue="q", correlation_id="c").written())
    reply, event = messages(Posted(number=1, letter=Letter(moved=(moved,))))
    assert (event.exchange, event.key) == (EVENTS, "run.succeeded.greeter")
    assert "reply_to" not in json.loads(event.body)["events"][0]
    assert (reply.exchange, reply.key, reply.correlation_id) == ("", "q", "c")
    assert json.loads(reply.body) == {"run_id": "r", "state": "succeeded", "result": "hello"}


def test_events_of_one_transaction_and_routing_key_share_messages() -> None:
    moved = tuple(ended() for _ in range(EVENTS_PER_MESSAGE + 1))
    other = ended(state=RunState.FAILED)
    found = messages(Posted(number=1, letter=Letter(moved=(*moved, other))))
    assert [(one.key, len(json.loads(one.body)["events"])) for one in found] == [
        ("run.succeeded.greeter", EVENTS_PER_MESSAGE),
        ("run.succeeded.greeter", 1),
        ("run.failed.greeter", 1),
    ]


def test_a_failure_is_answered_with_its_reason() -> None:
    moved = ended(
        state=RunState.FAILED,
        reply_to=ReplyTo(queue="q").written(),
        failure=Failure(kind="Boom", message="it broke"),
    )
    reply = messages(Posted(number=1, letter=Letter(moved=(moved,))))[0]
    answer = json.loads(reply.body)
    assert answer["state"] == "failed"
    assert answer["failure"]["message"] == "it broke"
    assert "result" not in answer


async def test_a_letter_leaves_the_outbox_when_all_its_messages_are_confirmed(rabbit_url: str) -> None:
    async with world(rabbit_url) as here:
        letter = wakeup(*(f"r{number}" for number in range(20)))
        here.post(msgspec.structs.replace(letter, moved=(ended(),)))
        await until(lambda: not here.outbox.letters)
        async with client(rabbit_url) as channel:
            found = await bodies(channel, wakeup_queue(GREEN, POOL, 1))
        assert sorted(len(json.loads(body)["runs"]) for body in found) == [4, 16]


async def test_a_wakeup_for_a_queue_that_nobody_made_makes_it(rabbit_url: str) -> None:
    async with world(rabbit_url) as here:
        here.post(wakeup("r"))
        await until(lambda: not here.outbox.letters)
        assert here.notes.count("wake-up unroutable") == 1
        async with client(rabbit_url) as channel:
            assert await bodies(channel, wakeup_queue(GREEN, POOL, 1)) == [b'{"runs":["r"]}']


async def test_an_answer_and_an_event_arrive(rabbit_url: str) -> None:
    async with client(rabbit_url) as channel, world(rabbit_url) as here:
        await channel.queue_declare("mine", auto_delete=True)
        await channel.queue_declare("listener", auto_delete=True)
        await channel.queue_bind("listener", EVENTS, routing_key="run.*.greeter")
        moved = ended(reply_to=ReplyTo(queue="mine", correlation_id="c").written())
        here.post(Letter(moved=(moved,)))
        await until(lambda: not here.outbox.letters)
        answer = await channel.basic_get("mine", no_ack=True)
        assert answer.header.properties.correlation_id == "c"
        assert json.loads(answer.body)["result"] == "hello"
        event = await channel.basic_get("listener", no_ack=True)
        assert [each["state"] for each in json.loads(event.body)["events"]] == ["succeeded"]


async def test_an_answer_to_somebody_who_has_gone_does_not_stay_for_ever(rabbit_url: str) -> None:
    async with world(rabbit_url) as here:
        here.post(Letter(moved=(ended(reply_to=ReplyTo(queue="gone").written()),)))
        await until(lambda: not here.outbox.letters)
        assert here.notes.count("reply undeliverable") == 1


async def test_a_letter_for_a_full_queue_stays_in_the_outbox(rabbit_url: str) -> None:
    name = wakeup_queue(GREEN, POOL, 1)
    queue = next(one for one in wakeup_declarations(name) if isinstance(one, Queue))
    async with client(rabbit_url) as channel, world(rabbit_url) as here:
        await channel.queue_declare(name, durable=True, arguments={**queue.arguments, "x-max-length": 1})
        await channel.queue_bind(name, WAKEUPS, routing_key=name)
        while not here.notes.count("message refused"):  # a full queue tells a little late that it is full
            here.post(wakeup("r"))
            await asyncio.sleep(0.01)
        await until(lambda: len(here.outbox.letters) == here.notes.count("message refused"))
        assert await depth(channel, name) >= 1
        assert here.notes.count("broker lost") == 0


async def test_what_the_store_did_not_take_out_is_taken_out_later(rabbit_url: str) -> None:
    async with world(rabbit_url) as here:
        here.outbox.away = True
        here.post(wakeup("r"))
        await until(lambda: here.notes.count("outbox unavailable"))
        here.outbox.away = False
        await until(lambda: not here.outbox.letters)
        async with client(rabbit_url) as channel:
            assert await depth(channel, wakeup_queue(GREEN, POOL, 1)) == 1, "it was sent once"


async def test_a_letter_that_nobody_sent_is_swept_up(rabbit_url: str) -> None:
    async with world(rabbit_url, overdue_seconds=0.3) as here:
        here.outbox.put(wakeup("r"))  # by a process that died before it could send
        await until(lambda: not here.outbox.letters)
        async with client(rabbit_url) as channel:
            assert len(await bodies(channel, wakeup_queue(GREEN, POOL, 1))) == 1


async def test_a_letter_that_nobody_can_read_is_known_to_wait(rabbit_url: str) -> None:
    async with world(rabbit_url) as here:
        here.post(Letter(moved=(ended(reply_to="no address"),)))
        await until(lambda: here.notes.count("letter left"))
        assert here.relay.backlog == 1
        here.post(wakeup("r"))
        await until(lambda: len(here.outbox.letters) == 1)
        assert [each.moved[0].reply_to for _, each in here.outbox.letters.values()] == ["no address"]


def test_events_with_large_results_share_messages_of_a_bounded_size_in_their_order() -> None:
    sizes = [100_000, 100_000, 100_000, 1_000_000, 10, 10]
    results = [msgspec.Raw(msgspec.json.encode("x" * size)) for size in sizes]
    moved = tuple(
        msgspec.structs.replace(ended(f"r{number}"), result=result) for number, result in enumerate(results)
    )
    found = messages(Posted(number=1, letter=Letter(moved=moved)))
    runs = [[event["run_id"] for event in json.loads(one.body)["events"]] for one in found]
    assert runs == [["r0", "r1"], ["r2"], ["r3"], ["r4", "r5"]]
    assert [len(one.body) <= EVENT_BYTES + 1_000 for one in found] == [True, True, False, True]
    assert len({one.id for one in found}) == len(found)


async def test_a_relay_outlives_an_error_that_nobody_expected(rabbit_url: str) -> None:
    async with world(rabbit_url, overdue_seconds=0.3) as here:
        here.outbox.broken = True
        here.post(wakeup("r"))
        failed = {"relay sweep", "relay discard"}
        await until(lambda: failed <= {facts.get("loop") for _, facts in here.notes.all})
        here.outbox.broken = False
        await until(lambda: not here.outbox.letters)
        here.outbox.put(wakeup("swept"))
        await until(lambda: not here.outbox.letters)
        async with client(rabbit_url) as channel:
            sent = b"".join(await bodies(channel, wakeup_queue(GREEN, POOL, 1)))
        assert b"swept" in sent
