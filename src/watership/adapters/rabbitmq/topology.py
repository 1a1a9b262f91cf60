"""The topology is data: every exchange, queue and binding with every argument, under names that carry a version.

A queue that exists is never declared with other arguments: whoever changes one here raises VERSION, and the queues
of both versions stand side by side until the old ones are empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from watership.durable.ids import DeploymentId
from watership.errors import BadInput

VERSION: Final = "v1"

PREFIX: Final = "watership."
"""Of everything that is ours; nobody else may be answered, or declare, under such a name."""

WAKEUPS: Final = "watership.wakeups"
INBOX: Final = "watership.inbox"
EVENTS: Final = "watership.events"
DEAD: Final = "watership.dead"

INBOX_QUEUE: Final = f"watership.{VERSION}.inbox"
DEAD_QUEUE: Final = f"watership.{VERSION}.dead"

PRIORITIES: Final = ((2, "high"), (1, "normal"), (0, "low"))
"""Highest first, which is the order in which a worker takes. Quorum queues know no priorities before 4.0."""

WAKEUP_DELIVERIES: Final = 20
"""Times that a wake-up may come back from workers that died with it; RabbitMQ's own default since 4.0."""

WAKEUP_MESSAGES: Final = 100_000
"""In one queue, of at most 16 runs each, about 50 MB. Beyond it the relay is refused and the outbox keeps them."""

IDLE_MS: Final = 7 * 24 * 3_600_000
"""A wake-up queue without consumers goes after a week, or each release would leave three behind for ever.

What it held then is in the store; a message for it makes it anew.
"""

INBOX_DELIVERIES: Final = 1_000
"""Times that a message may come back to the front door: it does so once a minute while the store is away."""

INBOX_MESSAGES: Final = 100_000
INBOX_BYTES: Final = 1024**3
"""Beyond either the publisher's confirm is a nack: nothing that was confirmed is dropped."""

INBOX_TTL_MS: Final = 7 * 24 * 3_600_000
"""As long as a message-id is remembered: an older message could start its run a second time."""

DEAD_DELIVERIES: Final = 1_000_000
"""Every look at a dead letter counts as a delivery before 4.3; it must not be dropped for having been looked at."""

DEAD_MESSAGES: Final = 1_000_000
"""Beyond it dead letters stay in the queues that they come from."""

NAME_BYTES: Final = 255
"""The longest name that AMQP has room for."""

Arguments = Mapping[str, str | int]


class Exchange(msgspec.Struct, frozen=True, kw_only=True, tag="exchange"):
    """A durable exchange."""

    name: str
    kind: Literal["direct", "topic"]
    about: str


class Queue(msgspec.Struct, frozen=True, kw_only=True, tag="queue"):
    """A durable quorum queue; `arguments` holds every one that matters."""

    name: str
    arguments: Arguments
    about: str


class Binding(msgspec.Struct, frozen=True, kw_only=True, tag="binding"):
    """What leads from an exchange to a queue."""

    exchange: str
    queue: str
    key: str

    @property
    def name(self) -> str:
        return f"{self.exchange} -{self.key}-> {self.queue}"


Declaration = Exchange | Queue | Binding

EXCHANGES: Final = (
    Exchange(name=WAKEUPS, kind="direct", about="Tells workers which runs became ready."),
    Exchange(name=INBOX, kind="topic", about="Takes messages for agents; the routing key is the agent."),
    Exchange(name=EVENTS, kind="topic", about="Tells whoever listens where runs stand."),
    Exchange(name=DEAD, kind="topic", about="Takes what could not be used."),
)


def base() -> list[Declaration]:
    """What every process needs, whichever deployments there are."""
    return [
        *EXCHANGES,
        _dead_queue(),
        Binding(exchange=DEAD, queue=DEAD_QUEUE, key="#"),
        _inbox_queue(),
        Binding(exchange=INBOX, queue=INBOX_QUEUE, key="#"),
    ]


def plan(deployments: Iterable[DeploymentId], pools: Iterable[str]) -> list[Declaration]:
    """Everything for `deployments`, each of which has all the `pools`; in an order that can be declared."""
    named = sorted(set(pools))
    return [
        *base(),
        *(one for each in sorted(set(deployments)) for pool in named for one in wakeups(each, pool)),
    ]


def wakeups(deployment: DeploymentId, pool: str) -> list[Declaration]:
    """The queues of one deployment's pool, highest priority first."""
    names = [wakeup_queue(deployment, pool, priority) for priority, _ in PRIORITIES]
    return [one for name in names for one in wakeup_declarations(name)]


def wakeup_declarations(name: str) -> Sequence[Declaration]:
    """One queue of wake-ups, and its binding. The routing key is the queue's name."""
    arguments = _safe("wakeup", WAKEUP_DELIVERIES) | {"x-max-length": WAKEUP_MESSAGES, "x-expires": IDLE_MS}
    queue = Queue(name=name, arguments=arguments, about="Runs that became ready, for one pool's workers.")
    return queue, Binding(exchange=WAKEUPS, queue=name, key=name)


@lru_cache(maxsize=1024)
def wakeup_queue(deployment: DeploymentId, pool: str, priority: int) -> str:
    """The queue for runs of this deployment, pool and priority. Raises BadInput for a name beyond AMQP's room."""
    level = dict(PRIORITIES)[min(max(priority, 0), 2)]
    name = f"watership.{VERSION}.wakeups.{_word(deployment)}.{_word(pool)}.{level}"
    if len(name.encode()) > NAME_BYTES:
        raise BadInput(
            f"The queue of pool {pool!r} in deployment {deployment} would need {len(name.encode())} bytes for its "
            f"name; AMQP has room for {NAME_BYTES}.",
            fix="Give the pool a shorter name.",
        )
    return name


def render(declarations: Sequence[Declaration]) -> str:
    """The declarations for people, one to a line, arguments beneath."""
    lines = []
    for each in declarations:
        match each:
            case Exchange():
                lines.append(f"exchange  {each.name}  {each.kind}")
            case Queue():
                lines.append(f"queue     {each.name}")
                lines += [f"            {name} = {value}" for name, value in sorted(each.arguments.items())]
            case Binding():
                lines.append(f"binding   {each.exchange} → {each.queue}  key {each.key}")
    return "\n".join(lines)


def _word(text: str) -> str:
    """`text` without dots, so that two names never read alike: `2.0.5` is `2:2E0:2E5`.

    Our driver refuses names with "%" or "~" in them.
    """
    return quote(text, safe="").replace(".", "%2E").replace("~", "%7E").replace("%", ":")


def _safe(kind: str, deliveries: int) -> dict[str, str | int]:
    """Arguments under which nothing is dropped: dead-lettering at least once needs reject-publish beside it."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": deliveries,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": kind,
        "x-dead-letter-strategy": "at-least-once",
    }


def _inbox_queue() -> Queue:
    bounds = {
        "x-max-length": INBOX_MESSAGES,
        "x-max-length-bytes": INBOX_BYTES,
        "x-message-ttl": INBOX_TTL_MS,
    }
    arguments = _safe("inbox", INBOX_DELIVERIES) | bounds
    return Queue(name=INBOX_QUEUE, arguments=arguments, about="Messages that start runs.")


def _dead_queue() -> Queue:
    return Queue(
        name=DEAD_QUEUE,
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DEAD_DELIVERIES,
            "x-overflow": "reject-publish",
            "x-max-length": DEAD_MESSAGES,
        },
        about="What could not be used, until a person decides.",
    )
