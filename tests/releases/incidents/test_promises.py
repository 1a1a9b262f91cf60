"""The SLA is looked at beside a release: what is missed opens one incident, and what is not known is a complaint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.releases.plans import NOON
from tests.simulation.release_targets import SimAudit
from watership.adapters.memory.incidents import MemoryIncidents
from watership.errors import Unavailable
from watership.releases.incidents.escalation import USUAL
from watership.releases.incidents.incident import Closed, Incident, Restored
from watership.releases.incidents.promises import LOOK_SECONDS, Promises, since
from watership.releases.incidents.response import Response
from watership.releases.service.sla import Budget, Compliance
from watership.releases.verdict import Verdict
from watership.testing import VirtualClock, run_in_virtual_time

KEPT = Compliance(
    id="up",
    title="Availability",
    target="at least 99.9 % over 30d",
    now="100 %",
    value=1.0,
    verdict=Verdict.PASSED,
    reason="",
    seen=1.0,
)
MISSED = replace(KEPT, now="99.8 %", verdict=Verdict.FAILED)
UNKNOWN = replace(KEPT, now="unknown", value=None, verdict=Verdict.INCONCLUSIVE, reason="nobody answers")


class World:
    """A release of which the SLA is as it is said, look by look."""

    def __init__(self, *looks: Sequence[Compliance]) -> None:
        self.clock = VirtualClock()
        self.incidents = MemoryIncidents()
        self.response = Response(self.incidents, SimAudit(self.clock), self.clock, USUAL)
        self._looks = iter(looks)
        self.promises = Promises("r1", self.response, self._assess, self.clock)

    async def _assess(self) -> Sequence[Compliance]:
        return next(self._looks)

    async def look(self) -> None:
        await self.promises.look_once()
        await self.clock.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        now = self.clock.now()
        await self.response.put(
            None, lambda it: Restored(incident=it.id, at=now, who="ada", text="it serves again")
        )
        await self.response.put(None, lambda it: Closed(incident=it.id, at=now, who="ada"))
        await self.clock.sleep(1.0)


def test_a_promise_that_is_missed_opens_one_incident_which_goes_up_a_level_at_once() -> None:
    async def main() -> tuple[Sequence[Incident], list[str]]:
        world = World([KEPT], [MISSED], [MISSED])
        for _ in range(3):
            await world.look()
        there = await world.incidents.all()
        return there, [due.seat for due in world.response.due(there[0])]

    (found,), seats = run_in_virtual_time(main)

    assert (found.opening.rule, found.opening.release, found.severity) == ("sla: up", "r1", "high")
    assert seats == ["on_call", "engineering_lead"]


def test_a_month_that_stays_missed_calls_nobody_again_and_one_that_is_missed_anew_does() -> None:
    async def main() -> list[int]:
        world, counts = World([MISSED], [MISSED], [KEPT], [MISSED]), []
        await world.look()
        await world.close()
        for _ in range(3):
            await world.look()
            counts.append(len(await world.incidents.all()))
        return counts

    assert run_in_virtual_time(main) == [1, 1, 2]


def test_what_is_not_known_is_neither_missed_nor_mended() -> None:
    later = NOON + timedelta(minutes=5)

    assert since({}, [UNKNOWN], NOON) == {}
    assert since({"up": NOON}, [UNKNOWN], later) == {"up": NOON}
    assert since({"up": NOON}, [KEPT], later) == {}
    gone = Budget(unit="requests", allowed=0.1, spent=1.0, left=-0.9, at_most=True)
    assert since({}, [replace(UNKNOWN, budget=gone)], NOON) == {}
    assert since({}, [replace(KEPT, budget=gone)], NOON) == {"up": NOON}


def test_an_sla_of_which_nothing_is_known_is_an_error_in_the_words_of_its_source() -> None:
    with pytest.raises(Unavailable, match=r"Nothing is known of the SLA: nobody answers\."):
        run_in_virtual_time(World([UNKNOWN]).look)


def test_metrics_that_do_not_come_are_not_waited_for() -> None:
    class Silent(World):
        async def _assess(self) -> Sequence[Compliance]:
            await asyncio.Event().wait()
            raise AssertionError

    with pytest.raises(Unavailable, match="within 30 s"):
        run_in_virtual_time(Silent().look)
