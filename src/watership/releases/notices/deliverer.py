"""The deliverer hands messages to channels until they have them; one channel that is dead delays no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from watership.durable.clock import Clock
from watership.durable.scrubbing import scrub
from watership.errors import BadInput, Unavailable
from watership.releases.auditing.audit import Audit, Fact
from watership.releases.notices.notice import Message
from watership.releases.notices.outbox import OPEN, Delivery, Line, Outbox, State, next_up, outlived

LOOK_SECONDS = 1.0
"""How often the outbox is looked into."""

WORDS = 500
"""Characters of a receiver's answer that are kept."""

WHO = "messenger"


class Channel(Protocol):
    """A way to people. `timeout` is what one attempt may take, in seconds."""

    @property
    def timeout(self) -> float: ...

    async def send(self, message: Message) -> str:
        """The receiver's word that it has it. Raises Unavailable for "try again", BadInput for "never"."""


async def attempted(channel: Channel, message: Message) -> tuple[State, str, float]:
    """One attempt: what it came to, the receiver's words, and the seconds that it asked to be left alone for."""
    try:
        async with asyncio.timeout(channel.timeout):
            return "delivered", _words(await channel.send(message)), 0.0
    except BadInput as error:
        return "refused", _words(str(error)), 0.0
    except Unavailable as error:
        return "pending", _words(str(error)), error.retry_after if error.retry_after > 1 else 0.0
    except TimeoutError:
        return "pending", f"no answer within {channel.timeout:g} s", 0.0
    except Exception as error:  # noqa: BLE001 - whatever a channel raises is its own failure, and tried again
        return "pending", _words(f"{type(error).__name__}: {error}"), 0.0


def _words(text: str) -> str:
    """On one line, short, and without a secret."""
    return scrub(" ".join(text.split()))[:WORDS]


class Deliverer:
    """Delivers what is pending, at least once: what a crash leaves unsaid is sent again, under the same id.

    Every outcome is in the audit. Nothing that a channel does ends it.
    """

    def __init__(
        self, *, outbox: Outbox, channels: Mapping[str, Channel], audit: Audit, clock: Clock
    ) -> None:
        self._outbox = outbox
        self._channels = channels
        self._audit = audit
        self._clock = clock
        self._lines: dict[str, Line] = dict.fromkeys(channels, OPEN)
        # Delivered, and not written down yet: a full disk must not make a message come every second.
        self._unmarked: dict[tuple[str, str], str] = {}

    async def run(self) -> None:
        """Until it is cancelled: a task for each channel. While another process delivers, it waits."""
        while not self._outbox.hold():
            await self._clock.sleep(LOOK_SECONDS)
        try:
            async with asyncio.TaskGroup() as tasks:
                for name in self._channels:
                    tasks.create_task(self._keep(name))
                tasks.create_task(self._bury())
        finally:
            self._outbox.release()

    async def attempt(self, ids: frozenset[str]) -> None:
        """Each of these once through each of its channels, at the same time; for who sends by hand."""
        wanted = [each for each in self._outbox.deliveries() if each.message.id in ids]
        async with asyncio.TaskGroup() as tasks:
            for delivery in wanted:
                if delivery.state == "pending" and delivery.channel in self._channels:
                    tasks.create_task(self._try(delivery))

    async def _keep(self, name: str) -> None:
        while True:
            while (delivery := self._next(name)) is not None:
                await self._try(delivery)
            await self._clock.sleep(LOOK_SECONDS)

    def _next(self, name: str) -> Delivery | None:
        return next_up(self._pending(name), self._lines[name], name, self._clock.now())

    def _pending(self, name: str) -> Sequence[Delivery]:
        now = self._clock.now()
        return [
            each
            for each in self._outbox.deliveries()
            if each.channel == name and each.state == "pending" and not outlived(each, now)
        ]

    async def _bury(self) -> None:
        """Give up what has been tried for a day, or belongs to a channel that is no more."""
        while True:
            now = self._clock.now()
            for delivery in self._outbox.deliveries():
                if delivery.state == "pending" and outlived(delivery, now):
                    last = (
                        delivery.evidence or "it was never tried: the channel is not among those of this plan"
                    )
                    self._mark(delivery, "given_up", f"given up after a day: {last}")
            await self._clock.sleep(LOOK_SECONDS)

    async def _try(self, delivery: Delivery) -> None:
        name, key = delivery.channel, (delivery.message.id, delivery.channel)
        state: State = "delivered"
        evidence, asked_for = self._unmarked.get(key, ""), 0.0
        if key not in self._unmarked:
            state, evidence, asked_for = await attempted(self._channels[name], delivery.message)
        if state == "pending":
            line = self._lines[name]
            self._lines[name] = replace(
                line, failures=line.failures + 1, failed_at=self._clock.now(), asked_for=asked_for
            )
        elif state == "delivered":
            self._lines[name] = OPEN
            self._unmarked[key] = evidence
        self._mark(delivery, state, evidence)
        self._unmarked.pop(key, None)

    def _mark(self, delivery: Delivery, state: State, evidence: str) -> None:
        now = self._outbox.mark(delivery, state, evidence, self._clock.now())
        facts: dict[str, Fact] = {
            "release": delivery.message.release,
            "notice": delivery.message.id,
            "channel": delivery.channel,
            "attempts": now.attempts,
            "evidence": evidence,
        }
        action = "failed" if state == "pending" else state
        self._audit.append(WHO, f"notice.{action}", facts)
