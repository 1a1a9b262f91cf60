"""A feed brings the fuses what they watch, out of the metrics store: a figure or an event of one slot, as data.

`$slot` and `$deployment` in an expression stand for the side that is asked about. Without either it tells the same of
both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol, assert_never

from msgspec import Meta, Struct

from watership.durable.ids import DeploymentId
from watership.errors import BadInput
from watership.fleet.deployment import Slot
from watership.releases.book.quantity import Duration
from watership.releases.judging.fuse import Happening, Reading

FRESH = 60.0
"""Seconds: four scrapes of a quarter of a minute, of which three may fail."""

EVALUATED = 120.0
"""Seconds since Prometheus evaluated a rule: two of its usual minutes."""

Figure = Literal[
    "latency_p95",
    "cpu",
    "memory",
    "disk",
    "replication_lag",
    "queue_depth",
    "tokens_per_run",
    "cost_per_run",
    "run_failure_rate",
    "cache_hit_rate",
    "query_time",
]
"""A field of a reading."""

Expression = Annotated[str, Meta(min_length=1, max_length=2000)]


class FigureFeed(Struct, frozen=True, kw_only=True, tag_field="tells", tag="figure"):
    """A figure: a share as a part of 1, a time in seconds, or a number. `query` gives one series.

    `sampled`: gives the Unix time of the oldest sample behind it; what is older than `fresh`, or not told, is unknown.
    """

    of: Figure
    query: Expression
    sampled: Expression
    fresh: Duration = FRESH


class EventFeed(Struct, frozen=True, kw_only=True, tag_field="tells", tag="event"):
    """An event: it has happened where `query` gives more than zero. `sampled` and `fresh` as for a figure."""

    of: Happening
    query: Expression
    sampled: Expression
    fresh: Duration = FRESH


class AlertFeed(Struct, frozen=True, kw_only=True, tag_field="tells", tag="alert"):
    """An event: it happens while a rule that has all these `labels` fires. An alert that is about a slot or a
    deployment, by a label of that name, is about that one alone.

    Unknown where no such rule is loaded, or one of them was not evaluated well within `fresh`.
    """

    of: Happening
    labels: Annotated[dict[str, str], Meta(min_length=1)]
    fresh: Duration = EVALUATED


Feed = FigureFeed | EventFeed | AlertFeed


class Feeds(Struct, frozen=True, kw_only=True):
    """The file `feeds.yaml`, which a runbook includes. `schema` names the format."""

    schema: Literal["watership/feeds/v1"]
    feeds: Annotated[tuple[Feed, ...], Meta(min_length=1)]


class Subject(Struct, frozen=True, kw_only=True):
    """The side that is asked about."""

    slot: Slot
    deployment: DeploymentId


class Told(Struct, frozen=True, kw_only=True):
    """What feeds told of one side; `unknown`: why one did not, by what it is of."""

    reading: Reading = Reading()
    unknown: dict[str, str] = {}


class Source(Protocol):
    """Who keeps the metrics. It never raises: what does not come is unknown."""

    async def ask(self, feeds: Sequence[Feed], subject: Subject) -> Told: ...


def fed(feeds: Sequence[Feed]) -> frozenset[str]:
    """The figures and events that have a feed."""
    return frozenset(each.of for each in feeds)


def require_one_each(feeds: Sequence[Feed]) -> None:
    """Nothing is told by two. Raises BadInput."""
    twice = [name for name, times in Counter(each.of for each in feeds).items() if times > 1]
    if twice:
        raise BadInput(f"The feed of '{twice[0]}' stands there twice.")


def expressions(feed: Feed) -> Mapping[str, str]:
    """The expressions of a feed, by the names of their fields."""
    match feed:
        case FigureFeed() | EventFeed():
            return {"query": feed.query, "sampled": feed.sampled}
        case AlertFeed():
            return {}
        case _:
            assert_never(feed)


def filled(expression: str, subject: Subject) -> str:
    """An expression for one side."""
    return expression.replace("$slot", subject.slot.value).replace("$deployment", subject.deployment)
