"""The topology is declared as often as one likes; what differs is seen and left alone."""

from __future__ import annotations

import aiormq
import pytest

from tests.adapters.rabbitmq.world import GREEN, client
from watership.adapters.rabbitmq.declaration import Standing, apply, verify
from watership.adapters.rabbitmq.topology import DEAD_QUEUE, INBOX_QUEUE, Queue, plan, render, wakeup_queue
from watership.durable.ids import DeploymentId
from watership.errors import BadInput, Conflict


def test_two_pools_never_share_a_queue() -> None:
    one = wakeup_queue(DeploymentId("a.b"), "c", 1)
    other = wakeup_queue(DeploymentId("a"), "b.c", 1)
    assert one != other


def test_a_name_beyond_the_room_of_amqp_is_refused() -> None:
    with pytest.raises(BadInput, match="255"):
        wakeup_queue(GREEN, "p" * 300, 1)


def test_every_queue_says_what_happens_at_its_bounds() -> None:
    queues = [one for one in plan([GREEN], ["default"]) if isinstance(one, Queue)]
    assert len(queues) == 5
    for queue in queues:
        assert queue.arguments["x-queue-type"] == "quorum"
        assert queue.arguments["x-overflow"] == "reject-publish"
        assert {"x-delivery-limit", "x-max-length"} <= queue.arguments.keys()


def test_no_queue_but_the_dead_letters_loses_what_it_rejects() -> None:
    queues = [each for each in plan([GREEN], ["default"]) if isinstance(each, Queue)]
    losing = {each.name for each in queues if each.arguments.get("x-dead-letter-strategy") != "at-least-once"}
    assert len(queues) > 1 and losing == {DEAD_QUEUE}


def test_the_plan_is_printed_with_every_argument() -> None:
    text = render(plan([GREEN], ["default"]))
    assert f"queue     {INBOX_QUEUE}" in text
    assert "x-dead-letter-strategy = at-least-once" in text


async def test_applying_twice_is_applying_once(rabbit_url: str) -> None:
    declarations = plan([GREEN], ["default", "research"])
    connection = await aiormq.connect(rabbit_url)
    before = await verify(connection, declarations)
    assert {one.standing for one in before} == {Standing.MISSING, Standing.UNSEEN}
    await apply(connection, declarations)
    await apply(connection, declarations)
    after = await verify(connection, declarations)
    assert {one.standing for one in after if one.kind != "binding"} == {Standing.SAME}
    assert {one.standing for one in after if one.kind == "binding"} == {Standing.UNSEEN}
    await connection.close()


async def test_a_deployment_is_named_by_its_version_and_a_pool_as_its_author_likes(rabbit_url: str) -> None:
    declarations = plan([DeploymentId("2.0.5-3f9ac1d2")], ["köln ~ 100 %: a/b"])
    connection = await aiormq.connect(rabbit_url)
    await apply(connection, declarations)
    after = await verify(connection, declarations)
    assert {one.standing for one in after} == {Standing.SAME, Standing.UNSEEN}
    await connection.close()


async def test_looking_creates_nothing(rabbit_url: str) -> None:
    connection = await aiormq.connect(rabbit_url)
    await verify(connection, plan([GREEN], ["default"]))
    found = await verify(connection, plan([GREEN], ["default"]))
    assert Standing.SAME not in {one.standing for one in found}
    await connection.close()


async def test_a_queue_with_other_arguments_is_seen_and_left_as_it_is(rabbit_url: str) -> None:
    async with client(rabbit_url) as channel:
        await channel.queue_declare(
            DEAD_QUEUE, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 7}
        )
    connection = await aiormq.connect(rabbit_url)
    found = {one.name: one for one in await verify(connection, plan([], []))}
    assert found[DEAD_QUEUE].standing is Standing.DIFFERENT
    assert "x-delivery-limit" in found[DEAD_QUEUE].detail or "inequivalent" in found[DEAD_QUEUE].detail
    with pytest.raises(Conflict, match="inequivalent"):
        await apply(connection, plan([], []))
    await connection.close()
