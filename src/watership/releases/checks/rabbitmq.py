"""RabbitMQ is asked by its management API for what stands there and how it is used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TypeVar
from urllib.parse import quote

from msgspec import Struct

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene, json_of
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, excerpt, failed, found, inconclusive

T = TypeVar("T")

DEPTH = 1000
"""Messages that may wait in a queue: the release's baseline."""

SHOWN = 8
"""Offenders that are named."""

AGAIN = 2
PAUSE = 0.25
"""How often, and after how many seconds, a question is asked again that the management failed at (5xx): it does so now
and then, while its statistics change. What it fails at each time is not known."""

BINDING = re.compile(r"^(\S+)\s*->\s*(\S+?)(?:\s*\[(.*)\])?$")
"""`exchange -> queue`, or `exchange -> queue [key]`."""

Value = str | int | float | bool | None | list[object] | dict[str, object]


class _Exchange(Struct):
    name: str
    type: str
    durable: bool


class _Binding(Struct):
    source: str
    destination: str
    destination_type: str
    routing_key: str


class Queue(Struct):
    """A queue as the management tells it; what it has not counted yet is None."""

    name: str
    durable: bool = True
    arguments: dict[str, Value] = {}
    effective_policy_definition: dict[str, Value] | list[object] = {}
    messages: int | None = None
    messages_ready: int | None = None
    consumers: int = 0
    message_stats: dict[str, object] | list[object] = {}

    @property
    def acknowledged(self) -> int:
        """Messages that consumers were done with since the queue began; 0 while there was none."""
        count = self.message_stats.get("ack", 0) if isinstance(self.message_stats, dict) else 0
        return count if isinstance(count, int) else 0

    def setting(self, name: str) -> Value:
        """What the queue was declared with, else what a policy gives it. RabbitMQ writes an empty object as []."""
        policy = self.effective_policy_definition
        return self.arguments.get(f"x-{name}") or (policy.get(name) if isinstance(policy, dict) else None)


class _Place(Struct):
    name: str


class _Consumer(Struct):
    queue: _Place
    prefetch_count: int


class _Connection(Struct):
    name: str
    user: str = ""
    peer_host: str = ""
    client_properties: dict[str, object] = {}

    @property
    def client(self) -> str:
        """Who it is of: a client that names its connections names those of one purpose alike."""
        return f"{self.client_properties.get('connection_name') or self.user} at {self.peer_host}"


class _Channel(Struct):
    connection_details: _Place


@check("rabbitmq.exchanges", good_for="24h", fix="watership topology apply")
async def exchanges(scene: Scene, *, of: str, expected: str) -> Finding:
    """The virtual host has each exchange of `expected` (NAME:TYPE, commas between), durable and of that type."""
    there = {each.name: each for each in await _told(scene, of, "exchanges", _Exchange)}
    wrong = []
    for word in listed(expected):
        name, _, kind = word.partition(":")
        exchange = there.get(name)
        if exchange is None:
            wrong.append(f"there is no exchange {name}")
        elif kind and exchange.type != kind:
            wrong.append(f"{name} is {exchange.type}, not {kind}")
        elif not exchange.durable:
            wrong.append(f"{name} does not outlive a restart")
    return _judged(wrong, f"{len(listed(expected))} exchanges are declared as wanted.")


@check("rabbitmq.bindings", good_for="24h", fix="watership topology apply")
async def bindings(scene: Scene, *, of: str, expected: str) -> Finding:
    """Each binding of `expected` ("EXCHANGE -> QUEUE" or "EXCHANGE -> QUEUE [KEY]", commas between) is there."""
    there = await _told(scene, of, "bindings", _Binding)
    wrong = []
    for word in listed(expected):
        wanted = BINDING.match(word)
        if wanted is None:
            raise BadInput(f"'{word}' is no binding.", fix="Write EXCHANGE -> QUEUE [KEY].")
        source, queue, key = wanted.groups()
        if not any(
            (each.source, each.destination) == (source, queue) and key in (None, each.routing_key)
            for each in there
        ):
            wrong.append(f"nothing leads from {source} to {queue}" + (f" with the key {key}" if key else ""))
    return _judged(wrong, f"{len(listed(expected))} bindings are there.")


@check(
    "rabbitmq.dead_letters",
    good_for="24h",
    fix="Declare the queues with a dead-letter exchange, or set a policy.",
)
async def dead_letters(scene: Scene, *, of: str, queues: str) -> Finding:
    """Each queue that matches `queues` (patterns with *, commas between) gives what it drops to an exchange that
    exists and leads to a durable queue."""
    chosen = await matching(scene, of, queues)
    names = {each.name for each in await _told(scene, of, "exchanges", _Exchange)}
    durable = {each.name for each in await _told(scene, of, "queues", Queue) if each.durable}
    leads = {
        each.source for each in await _told(scene, of, "bindings", _Binding) if each.destination in durable
    }
    wrong = []
    for queue in chosen:
        exchange = queue.setting("dead-letter-exchange")
        if exchange is None:
            wrong.append(f"{queue.name} drops what it cannot deliver")
        elif exchange not in names:
            wrong.append(f"the dead letters of {queue.name} go to {exchange}, which does not exist")
        elif exchange not in leads:
            wrong.append(f"the dead letters of {queue.name} go to {exchange}, which leads to no queue")
    return _judged(wrong, f"{len(chosen)} queue(s) keep their dead letters.")


@check("rabbitmq.ttl", good_for="24h", fix="Declare the queue with x-message-ttl, or set a policy.")
async def ttl(scene: Scene, *, of: str, queues: str, at_most: float) -> Finding:
    """Each queue that matches `queues` lets its messages expire, after `at_most` at the latest."""
    wrong = []
    chosen = await matching(scene, of, queues)
    for queue in chosen:
        milliseconds = queue.setting("message-ttl")
        if not isinstance(milliseconds, int | float):
            wrong.append(f"messages of {queue.name} do not expire")
        elif milliseconds / 1000 > at_most:
            wrong.append(f"messages of {queue.name} expire after {spoken(milliseconds / 1000)}")
    return _judged(wrong, f"Messages of {len(chosen)} queue(s) expire within {spoken(at_most)}.")


@check("rabbitmq.prefetch", good_for="4h", fix="Set a prefetch count (basic.qos) in the consumers.")
async def prefetch(scene: Scene, *, of: str, queues: str, at_least: int = 1, at_most: int = 1000) -> Finding:
    """Each consumer of the queues that match `queues` holds at least `at_least` and at most `at_most` messages that it
    has not acknowledged. Without a limit (0) one consumer takes all; without a consumer nothing is known."""
    there = [
        each for each in await _told(scene, of, "consumers", _Consumer) if _fits(each.queue.name, queues)
    ]
    if not there:
        return inconclusive(f"No queue of {queues} has a consumer.")
    wrong = [
        f"a consumer of {each.queue.name} takes {each.prefetch_count or 'any number'} at a time"
        for each in there
        if not at_least <= each.prefetch_count <= at_most
    ]
    return _judged(
        wrong,
        f"{len(there)} consumer(s) hold {at_least} to {at_most} messages at a time.",
        consumers=len(there),
    )


@check(
    "rabbitmq.connections",
    good_for="4h",
    fix="Share connections, and open a channel for each purpose instead.",
)
async def connections(scene: Scene, *, of: str, per_client: int, channels: int = 64) -> Finding:
    """No client (a connection's name, else its user, on one host) has more than `per_client` connections, and no
    connection more than `channels` channels. Without a connection nothing is known."""
    there = await _told(scene, of, "connections", _Connection)
    if not there:
        return inconclusive("Nobody is connected.")
    opened = Counter(each.connection_details.name for each in await _told(scene, of, "channels", _Channel))
    clients = Counter(each.client for each in there)
    wrong = [f"{client} has {count} connections" for client, count in clients.items() if count > per_client]
    wrong += [f"{name} has {count} channels" for name, count in opened.items() if count > channels]
    words = f"{len(clients)} client(s) share {len(there)} connections; {max(clients.values())} is the most of one."
    return _judged(wrong, words, connections=len(there), clients=len(clients))


@check("rabbitmq.consumers", good_for="1h", fix="Start the workers of that queue.")
async def consumers(scene: Scene, *, of: str, queues: str, at_least: int = 1) -> Finding:
    """Each queue that matches `queues` has `at_least` consumers."""
    chosen = await matching(scene, of, queues)
    there = Counter(each.queue.name for each in await _told(scene, of, "consumers", _Consumer))
    wrong = [
        f"{each.name} has {there[each.name]} consumers" for each in chosen if there[each.name] < at_least
    ]
    return _judged(wrong, f"{len(chosen)} queue(s) have {at_least} consumer(s) or more.")


@check("rabbitmq.depth", good_for="1h", fix="Find out what the queue waits for: watership run list.")
async def depth(scene: Scene, *, of: str, queues: str = "*", below: int = DEPTH) -> Finding:
    """Fewer than `below` messages wait in each queue that matches `queues`. A queue whose count is not there yet is
    not known."""
    chosen = await matching(scene, of, queues)
    unknown = [each.name for each in chosen if each.messages is None]
    wrong = [
        f"{each.messages:,} messages wait in {each.name}" for each in chosen if (each.messages or 0) >= below
    ]
    if unknown and not wrong:
        return inconclusive(f"RabbitMQ has not counted {', '.join(unknown[:SHOWN])} yet.")
    most = max(each.messages or 0 for each in chosen)
    return _judged(
        wrong,
        f"At most {most:,} messages wait in one of {len(chosen)} queues; {below:,} is the limit.",
        most=most,
    )


@check("rabbitmq.alarms", good_for="1h", fix="rabbitmq-diagnostics alarms")
async def alarms(scene: Scene, *, of: str) -> Finding:
    """No node of the cluster has an alarm in effect (memory, disk): with one it takes no messages."""
    answer = await scene.get(of, "/api/health/checks/alarms")
    if answer.status not in (200, 503):
        raise Unavailable(f"{of} answered {answer.status} to the question for alarms.")
    words = excerpt(answer.body, 300)
    return found(
        answer.status == 200,
        "No alarm is in effect." if answer.status == 200 else f"An alarm is in effect: {words}",
    )


async def _told(scene: Scene, of: str, what: str, shape: type[T]) -> list[T]:
    """All objects of a kind in the virtual host (fact `vhost`, else the default one)."""
    vhost = quote(str(scene.system(of).facts.get("vhost", "/")), safe="")
    path = f"/api/vhosts/{vhost}/{what}" if what in ("connections", "channels") else f"/api/{what}/{vhost}"
    answer = await scene.get(of, path)
    for _ in range(AGAIN):
        if answer.status < 500:
            break
        await scene.clock.sleep(PAUSE)
        answer = await scene.get(of, path)
    return shaped(of, json_of(of, path, answer), list[shape])  # type: ignore[valid-type]


async def matching(scene: Scene, of: str, patterns: str) -> Sequence[Queue]:
    """The queues that match; that there is none for a pattern is nothing that passes."""
    there = await _told(scene, of, "queues", Queue)
    for pattern in listed(patterns):
        if not any(fnmatchcase(each.name, pattern) for each in there):
            raise BadInput(f"No queue is named {pattern}.", fix="watership topology apply")
    return [each for each in there if _fits(each.name, patterns)]


def _fits(name: str, patterns: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in listed(patterns))


def _judged(wrong: Sequence[str], good: str, **facts: str | int) -> Finding:
    if not wrong:
        return found(True, good, **facts)
    rest = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return failed(f"{'; '.join(wrong[:SHOWN])}{rest}.", **facts)
