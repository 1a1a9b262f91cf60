"""A controller that looks now and then opens incidents, tells people, and puts all of it into the audit."""

from __future__ import annotations

from tests.releases.troubles import opening
from tests.simulation.release_targets import SimAudit
from watership.adapters.memory.incidents import MemoryIncidents
from watership.errors import Unavailable
from watership.releases.incidents.alarm import UpdateMissed
from watership.releases.incidents.escalation import USUAL, Due
from watership.releases.incidents.incident import Acknowledged, Incident, Restored
from watership.releases.incidents.response import Response
from watership.testing import VirtualClock, run_in_virtual_time


class Controller:
    """One that asks the response every minute; `deaf` minutes nobody can be told."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.audit = SimAudit(self.clock)
        self.incidents = MemoryIncidents()
        self.response = Response(self.incidents, self.audit, self.clock, USUAL)
        self.heard: list[tuple[int, str]] = []
        self.deaf = range(0)
        self.untold: list[str] = []
        self._began = self.clock.now()

    @property
    def minute(self) -> int:
        return round((self.clock.now() - self._began).total_seconds() / 60)

    async def tell(self, incident: Incident, due: Due) -> None:
        if self.minute in self.deaf:
            raise Unavailable("The outbox is full.")
        self.heard.append((self.minute, due.seat))

    async def look_for(self, minutes: int, *alarms: UpdateMissed) -> None:
        for _ in range(minutes):
            try:
                await self.response.look(alarms, self.tell)
            except ExceptionGroup as group:
                self.untold += [str(each) for each in group.exceptions]
            await self.clock.sleep(60)


def test_a_missed_update_is_opened_told_acknowledged_and_climbs_until_it_is_restored() -> None:
    async def main() -> Controller:
        there = Controller()
        now = there.clock.now()
        await there.look_for(8, UpdateMissed(release="r1", what="It was not sent", at=now))
        await there.response.put(
            None, lambda it: Acknowledged(incident=it.id, at=there.clock.now(), who="ada")
        )
        await there.look_for(12)
        await there.response.put(
            None, lambda it: Restored(incident=it.id, at=there.clock.now(), who="ada", text="it was sent")
        )
        await there.look_for(30)
        return there

    there = run_in_virtual_time(main)

    assert there.heard == [(0, "on_call"), (5, "on_call"), (15, "engineering_lead")]
    assert [(entry.action, entry.facts["incident"]) for entry in there.audit.kept] == [
        ("incident.opened", "INC-1"),
        ("incident.escalated", "INC-1"),
        ("incident.told", "INC-1"),
        ("incident.acknowledged", "INC-1"),
        ("incident.escalated", "INC-1"),
        ("incident.restored", "INC-1"),
    ]


def test_who_could_not_be_told_is_told_at_the_next_look_and_each_of_them_is_an_error_until_then() -> None:
    async def main() -> Controller:
        there = Controller()
        there.deaf = range(3)
        await there.response.open(opening(release="r1"), who="controller")
        await there.response.open(opening(rule="another", release="r1"), who="controller")
        await there.look_for(5)
        return there

    there = run_in_virtual_time(main)

    assert there.heard == [(3, "on_call"), (3, "on_call")]
    assert there.untold == ["The outbox is full."] * 6


def test_a_rule_that_has_one_opens_no_other() -> None:
    async def main() -> list[Incident | None]:
        there = Controller()
        return [await there.response.open(opening(), who="controller") for _ in range(2)]

    first, second = run_in_virtual_time(main)

    assert first is not None and second is None
