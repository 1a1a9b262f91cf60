"""RabbitMQ by its management API: our own topology on a real node, and what may be wrong with one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.checklist.section_b import Client
from tests.managed import ManagedRabbit
from tests.releases.checks.scenes import Looker
from watership.releases.book.system import System
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn

INBOX = "watership.v1.inbox"
OF = {"of": "rabbitmq"}


@pytest.fixture(scope="module")
def client(rabbit_with_management: ManagedRabbit) -> Iterator[Client]:
    """Ours, with one consumer."""
    with Client(rabbit_with_management.vhost()) as client:
        client.wait(lambda: client.vhost.call("GET", "/api/consumers/{vhost}"))
        client.wait(lambda: client.vhost.call("GET", "/api/vhosts/{vhost}/connections"))
        yield client


@pytest.fixture
def broker(looker: Looker, client: Client, rabbit_with_management: ManagedRabbit) -> Looker:
    looker.systems["rabbitmq"] = client.vhost.system
    looker.systems["nobody"] = System(url=f"http://guest:guest@127.0.0.1:{free_port()}")
    stranger = client.vhost.system.url.replace("guest:guest@", "who:knows@")
    looker.systems["stranger"] = System(url=stranger, facts={"vhost": client.vhost.name})
    return looker


def test_our_topology_is_as_it_should_be(broker: Looker) -> None:
    broker.passes("rabbitmq.exchanges", **OF, expected="watership.inbox:topic, watership.wakeups:direct")
    broker.passes(
        "rabbitmq.bindings",
        **OF,
        expected=f"watership.inbox -> {INBOX} [#], watership.dead -> watership.v1.dead",
    )
    broker.passes("rabbitmq.dead_letters", **OF, queues="watership.v1.inbox, watership.v1.wakeups.*")
    broker.passes("rabbitmq.ttl", **OF, queues=INBOX, at_most=7 * 86400.0)
    broker.passes("rabbitmq.prefetch", **OF, queues="watership.*")
    broker.passes("rabbitmq.consumers", **OF, queues=INBOX)
    broker.passes("rabbitmq.connections", **OF, per_client=1)
    broker.passes("rabbitmq.alarms", **OF)


def test_what_is_not_as_wanted_is_named(broker: Looker) -> None:
    broker.fails("rabbitmq.exchanges", "is topic, not fanout", **OF, expected="watership.inbox:fanout")
    broker.fails("rabbitmq.exchanges", "no exchange orders", **OF, expected="orders")
    broker.fails(
        "rabbitmq.bindings", "with the key orders", **OF, expected=f"watership.inbox -> {INBOX} [orders]"
    )
    broker.fails("rabbitmq.dead_letters", "watership.v1.dead drops", **OF, queues="watership.v1.dead")
    broker.fails("rabbitmq.ttl", "expire after 7d", **OF, queues=INBOX, at_most=3600.0)
    broker.fails("rabbitmq.ttl", "do not expire", **OF, queues="watership.v1.dead", at_most=3600.0)
    broker.fails("rabbitmq.prefetch", "takes 32 at a time", **OF, queues=INBOX, at_most=10)
    broker.fails("rabbitmq.consumers", "watership.v1.dead has 0 consumers", **OF, queues="watership.v1.*")
    broker.fails("rabbitmq.connections", "has 1 connections", **OF, per_client=0)
    broker.fails("rabbitmq.connections", "has 1 channels", **OF, per_client=1, channels=0)


def test_dead_letters_that_lead_nowhere_are_lost(broker: Looker, client: Client) -> None:
    """The exchange is given by a policy, which counts like an argument."""
    vhost = client.vhost
    vhost.call("PUT", "/api/queues/{vhost}/orders", {"durable": True})
    policy = {"pattern": "^orders$", "definition": {"dead-letter-exchange": "lost", "message-ttl": 60_000}}
    vhost.call("PUT", "/api/policies/{vhost}/orders", policy)
    wanted = {**OF, "queues": "orders"}
    client.wait(lambda: "lost" in str(vhost.call("GET", "/api/queues/{vhost}/orders")))
    broker.fails("rabbitmq.dead_letters", "go to lost, which does not exist", **wanted)
    vhost.call("PUT", "/api/exchanges/{vhost}/lost", {"type": "topic"})
    broker.fails("rabbitmq.dead_letters", "go to lost, which leads to no queue", **wanted)
    broker.passes("rabbitmq.ttl", **wanted, at_most=60.0)
    vhost.call("DELETE", "/api/queues/{vhost}/orders")
    vhost.call("DELETE", "/api/policies/{vhost}/orders")


def test_nothing_passes_where_there_is_nothing(broker: Looker) -> None:
    for kind in ("dead_letters", "consumers", "depth"):
        broker.unsure(f"rabbitmq.{kind}", "No queue is named orders", **OF, queues="orders")
    broker.unsure("rabbitmq.prefetch", "has a consumer", **OF, queues="orders")


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("exchanges", {"expected": "a:topic"}),
        ("bindings", {"expected": "a -> b"}),
        ("dead_letters", {"queues": "*"}),
        ("ttl", {"queues": "*", "at_most": 1.0}),
        ("prefetch", {"queues": "*"}),
        ("consumers", {"queues": "*"}),
        ("depth", {}),
        ("connections", {"per_client": 1}),
        ("alarms", {}),
    ],
)
def test_who_does_not_answer_or_does_not_know_us_is_not_known(
    broker: Looker, kind: str, more: dict[str, str | float]
) -> None:
    broker.unsure(f"rabbitmq.{kind}", "Unavailable", of="nobody", **more)
    broker.unsure(f"rabbitmq.{kind}", "401", of="stranger", **more)


def test_depth_and_alarms_as_a_node_tells_them_that_has_them(looker: Looker) -> None:
    queues = [{"name": "a", "messages": 3}, {"name": "b", "messages": 1200}]
    alarm = {
        "status": "failed",
        "reason": "There are alarms in effect in the cluster",
        "alarms": [{"resource": "memory"}],
    }
    with StandIn(
        {"GET /api/queues/%2F": Answer(queues), "GET /api/health/checks/alarms": Answer(alarm, status=503)}
    ) as node:
        looker.named("rabbitmq", node.url)
        looker.fails("rabbitmq.depth", "1,200 messages wait in b", **OF)
        looker.passes("rabbitmq.depth", **OF, queues="a")
        looker.fails("rabbitmq.alarms", "memory", **OF)
        node.routes["GET /api/queues/%2F"] = Answer([{"name": "a"}])
        looker.unsure("rabbitmq.depth", "has not counted a yet", **OF)


def test_a_question_that_the_management_failed_at_once_is_asked_again(looker: Looker) -> None:
    answers = [Answer(status=500)] * 2 + [Answer([{"name": "a", "messages": 3}])]
    with StandIn({"GET /api/queues/%2F": lambda _: answers.pop(0)}) as node:
        looker.named("rabbitmq", node.url)
        looker.passes("rabbitmq.depth", **OF)
        answers += [Answer(status=500)] * 3
        looker.unsure("rabbitmq.depth", "answered 500", **OF)
