"""A runbook's feeds, answered by a Prometheus server: each figure with the age of its own samples."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Final, assert_never

import msgspec

from watership.adapters.prometheus.asking import Asking, Rule, number
from watership.durable.clock import Clock
from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import spoken
from watership.releases.judging.feed import (
    AlertFeed,
    EventFeed,
    Feed,
    FigureFeed,
    Subject,
    Told,
    filled,
)
from watership.releases.judging.fuse import Reading
from watership.releases.ports import Probe

SECONDS: Final = 3.0
"""Of one query: a look takes no longer, and the switches of a split wait for no slow answer."""

AHEAD: Final = 5.0
"""Seconds by which another machine's clock may be ahead of ours."""

FIRING: Final = "firing"


class PrometheusFeeds:
    """The source at `url`. All are asked at once, each by itself: a feed that is wrong spoils no other."""

    def __init__(self, probe: Probe, url: str, clock: Clock) -> None:
        self._asking = Asking(probe, url, seconds=SECONDS)
        self._clock = clock

    async def ask(self, feeds: Sequence[Feed], subject: Subject) -> Told:
        now = self._clock.now().timestamp()
        answers = await asyncio.gather(*(self._answer(feed, subject, now) for feed in feeds))
        figures: dict[str, object] = {}
        happened, unknown = {}, dict[str, str]()
        for feed, answer in zip(feeds, answers, strict=True):
            match answer:
                case str():
                    unknown[feed.of] = answer
                case bool():
                    happened[feed.of] = answer
                case _:
                    figures[feed.of] = answer
        return Told(reading=msgspec.convert(figures | {"happened": happened}, Reading), unknown=unknown)

    async def _answer(self, feed: Feed, subject: Subject, now: float) -> float | bool | str:
        """The figure, whether it happened, or why that is not known."""
        try:
            match feed:
                case FigureFeed():
                    return await self._sampled(feed, subject, now)
                case EventFeed():
                    return await self._sampled(feed, subject, now) > 0
                case AlertFeed():
                    return _fires(feed, await self._asking.rules(), subject, now)
                case _:
                    assert_never(feed)
        except (Unavailable, BadInput) as error:
            return error.message

    async def _sampled(self, feed: FigureFeed | EventFeed, subject: Subject, now: float) -> float:
        value, sampled = await asyncio.gather(
            self._number(filled(feed.query, subject), now), self._number(filled(feed.sampled, subject), now)
        )
        if not -AHEAD <= now - sampled <= feed.fresh:
            age = f"{spoken(now - sampled)} old" if now > sampled else "of the future"
            raise Unavailable(f"a sample of {feed.of} is {age}; {spoken(feed.fresh)} is the limit")
        return value

    async def _number(self, query: str, now: float) -> float:
        """The one number of an expression, which is there."""
        found = await self._asking.one("query", {"query": query, "time": f"{now:.3f}"})
        if found is None or found.value is None:
            raise Unavailable(f"{query!r} gives nothing")
        value = number(found.value[1])
        if not isfinite(value):
            raise Unavailable(f"{query!r} gives {found.value[1]}")
        return value


def _fires(feed: AlertFeed, rules: Sequence[Rule], subject: Subject, now: float) -> bool:
    """Whether one of the rules fires for this side. Raises Unavailable where that is not known."""
    chosen = [rule for rule in rules if feed.labels.items() <= rule.labels.items()]
    wanted = ", ".join(f"{name}={value}" for name, value in feed.labels.items())
    if not chosen:
        raise Unavailable(f"no rule with {wanted} is loaded")
    if any(
        alert.state == FIRING and _about(alert.labels, subject) for rule in chosen for alert in rule.alerts
    ):
        return True
    for rule in chosen:
        if rule.health != "ok":
            raise Unavailable(f"the rule {rule.name} is {rule.health or 'not evaluated yet'}")
        age = now - _moment(rule)
        if age > feed.fresh:
            raise Unavailable(f"the rule {rule.name} was evaluated {spoken(age)} ago")
    return False


def _moment(rule: Rule) -> float:
    try:
        return datetime.fromisoformat(rule.last_evaluation).timestamp()
    except ValueError:
        raise Unavailable(f"the rule {rule.name} does not say when it was evaluated") from None


def _about(labels: Mapping[str, str], subject: Subject) -> bool:
    """An alert without these labels is about both sides."""
    return labels.get("slot", subject.slot) == subject.slot and (
        labels.get("deployment", subject.deployment) == subject.deployment
    )
