"""RabbitMQ as a whole, and its queues while they are used: a real node, and clusters that are not well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.checklist.section_b import Client
from tests.managed import ManagedRabbit
from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn

OF = {"of": "rabbitmq"}


@pytest.fixture(scope="module")
def client(rabbit_with_management: ManagedRabbit) -> Iterator[Client]:
    """Ours, with one consumer of its inbox."""
    with Client(rabbit_with_management.vhost()) as client:
        client.wait(lambda: client.vhost.call("GET", "/api/consumers/{vhost}"))
        yield client


def test_a_real_node_is_operational_and_its_queues_are_emptied(looker: Looker, client: Client) -> None:
    looker.systems["rabbitmq"] = client.vhost.system
    looker.named("nobody", f"http://guest:guest@127.0.0.1:{free_port()}")
    inbox = "/api/queues/{vhost}/watership.v1.inbox"
    # What the node tells of a queue is some seconds old: it has to know of our consumer.
    client.wait(
        lambda: (
            "'consumers': 1" in (told := str(client.vhost.call("GET", inbox))) and "messages_ready" in told
        )
    )
    looker.passes("rabbitmq.operational", **OF)
    looker.fails("rabbitmq.operational", "there are 1 nodes, 3 are wanted", **OF, nodes=3)
    looker.unsure("rabbitmq.operational", "Unavailable", of="nobody")
    looker.passes("rabbitmq.processing", **OF, queues="watership.v1.inbox", apart=0.5)
    looker.fails("rabbitmq.processing", "watership.v1.dead has no consumer", **OF, queues="watership.v1.dead")
    looker.unsure("rabbitmq.processing", "Unavailable", of="nobody", queues="*")


NODE = {"name": "rabbit@one", "running": True, "partitions": []}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"running": False}, "rabbit@one does not run"),
        ({"partitions": ["rabbit@two"]}, "rabbit@one is parted from rabbit@two"),
    ],
)
def test_a_cluster_that_is_not_whole_is_not_operational(
    looker: Looker, changes: dict[str, Any], words: str
) -> None:
    well = Answer({"status": "ok"})
    routes = {"GET /api/health/checks/alarms": well, "GET /api/health/checks/virtual-hosts": well}
    with StandIn({"GET /api/nodes": Answer([NODE | changes]), **routes}) as server:
        looker.named("rabbitmq", server.url)
        looker.fails("rabbitmq.operational", words, **OF)
        with server.changed("GET /api/nodes", Answer([NODE])):
            looker.passes("rabbitmq.operational", **OF)
            with server.changed("GET /api/health/checks/virtual-hosts", Answer({"reason": "orders"}, 503)):
                looker.fails("rabbitmq.operational", "a virtual host is down", **OF)
            with server.changed("GET /api/health/checks/alarms", Answer(status=401)):
                looker.unsure("rabbitmq.operational", "answered 401", **OF)


def test_a_queue_that_only_fills_is_not_processed(looker: Looker) -> None:
    looks: list[dict[str, Any]] = []

    def queue(ready: int | None, acknowledged: int, consumers: int = 1) -> dict[str, Any]:
        stats = {"ack": acknowledged}
        return {
            "name": "q",
            "messages": 5,
            "messages_ready": ready,
            "consumers": consumers,
            "message_stats": stats,
        }

    with StandIn({"GET /api/queues/%2F": lambda asked: Answer([looks.pop(0)])}) as server:
        looker.named("rabbitmq", server.url)
        asked: dict[str, Given] = {**OF, "queues": "q", "apart": 0.0}
        looks[:] = [queue(0, 7)]
        looker.passes("rabbitmq.processing", **asked)
        looks[:] = [queue(4, 7), queue(4, 9)]
        looker.passes("rabbitmq.processing", **asked)
        looks[:] = [queue(4, 7), queue(0, 7)]
        looker.passes("rabbitmq.processing", **asked)
        looks[:] = [queue(4, 7), queue(5, 7)]
        looker.fails("rabbitmq.processing", "5 messages wait in q, and none was taken", **asked)
        looks[:] = [queue(None, 7), queue(None, 7)]
        looker.unsure("rabbitmq.processing", "has not counted q yet", **asked)
        looks[:] = [queue(4, 7)]
        looker.fails("rabbitmq.processing", "5 messages wait in q", **asked, below=5)
