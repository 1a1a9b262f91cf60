"""The messenger sees to it that people hear of a release: what is due is put into words and into the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from watership.durable.clock import Clock
from watership.errors import WatershipError
from watership.releases.auditing.audit import Audit, Fact
from watership.releases.complaints import Complaints
from watership.releases.notices.comms import Comms
from watership.releases.notices.deliverer import LOOK_SECONDS, WHO, Deliverer
from watership.releases.notices.notice import Message, Notice
from watership.releases.notices.outbox import Outbox, by_id, undelivered
from watership.releases.notices.schedule import due, next_status
from watership.releases.notices.situation import Situation
from watership.releases.notices.template import compose, unrendered

FINISH_SECONDS = 15.0
"""What the last messages of a release get before its controller ends; what is left then waits in the outbox."""

Look = Callable[[], Awaitable[Situation]]


def worded(comms: Comms, notice: Notice, situation: Situation, now: datetime, audit: Audit) -> Message:
    """In the template's words; with the bare facts where it fails, for nobody is left without the news."""
    following = next_status(comms, situation, now)
    text = comms.texts.get(notice.template)
    problem = f"There is no template {notice.template}."
    if text is not None:
        try:
            return compose(notice, situation, text, now, next_update=following)
        except WatershipError as error:
            problem = str(error)
    audit.append(WHO, "notice.unrendered", {"notice": notice.id, "problem": problem[:1000]})
    return unrendered(notice, situation, now, problem)


class Messenger:
    """Runs beside a release, and raises nothing into it: what goes wrong with it is in the audit.

    `look` gives the release's situation at this moment.
    """

    def __init__(
        self,
        *,
        comms: Comms,
        look: Look,
        outbox: Outbox,
        deliverer: Deliverer,
        audit: Audit,
        clock: Clock,
        complaints: Complaints,
    ) -> None:
        self._comms = comms
        self._look = look
        self._outbox = outbox
        self._deliverer = deliverer
        self._audit = audit
        self._clock = clock
        self._complaints = complaints

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._for_ever(self._deliver, "deliver"))
            tasks.create_task(self._for_ever(self.look_once, "look"))

    async def look_once(self) -> None:
        """Put out what is due now."""
        now = self._clock.now()
        situation = await self._look()
        deliveries = self._outbox.deliveries()
        for notice in due(
            self._comms, situation, by_id(deliveries), now, undelivered=undelivered(deliveries)
        ):
            self._put(notice, worded(self._comms, notice, situation, now, self._audit), now)

    async def finish(self, seconds: float = FINISH_SECONDS) -> None:
        """A last look, while `run` still runs, and time for what is pending; never raises."""
        await self._guarded(self.look_once, "look")
        await self._guarded(lambda: self._settle(seconds), "deliver")

    async def _settle(self, seconds: float) -> None:
        end = self._clock.monotonic() + seconds
        while self._clock.monotonic() < end and self._waits():
            await self._clock.sleep(LOOK_SECONDS / 4)

    def _waits(self) -> bool:
        return any(each.state == "pending" and not each.attempts for each in self._outbox.deliveries())

    async def _deliver(self) -> None:
        await self._deliverer.run()

    def _put(self, notice: Notice, message: Message, now: datetime) -> None:
        if not self._outbox.put(message, notice.to, now):
            return
        facts: dict[str, Fact] = {
            "release": message.release,
            "notice": notice.id,
            "kind": notice.kind,
            "subject": message.subject,
            "channels": list(notice.to),
        }
        self._audit.append(WHO, "notice.put", facts)
        if notice.issue is not None and notice.issue.key.startswith("missed/"):
            missed: dict[str, Fact] = {"release": message.release, "what": notice.issue.title}
            self._audit.append(WHO, "notice.missed", missed)

    async def _for_ever(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        while True:
            await self._guarded(work, name)
            await self._clock.sleep(LOOK_SECONDS)

    async def _guarded(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a release goes on whatever becomes of its messages
            self._complaints.about(error, doing=name)
