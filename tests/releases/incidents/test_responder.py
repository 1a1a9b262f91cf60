"""A responder beside a release: what goes wrong opens an incident by itself, and nothing of it stands in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest

from tests.notes import Notes
from tests.releases.plans import NOON, a_plan
from tests.simulation.release_world import LIVE, NEXT, SHORT_SOURCE, ReleaseWorld
from watership.adapters.memory.incidents import MemoryIncidents
from watership.durable.ids import RunId
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.auditing.audit import Fact
from watership.releases.book.runbook import Validation
from watership.releases.book.shelf import Source
from watership.releases.company import Regular, together
from watership.releases.complaints import Complaints
from watership.releases.incidents.alarm import Alarm, WindowFailed, WindowUnmet
from watership.releases.incidents.escalation import USUAL, Due
from watership.releases.incidents.incident import Incident
from watership.releases.incidents.responder import LOOK_SECONDS, RESPONDER, Responder, window_alarms
from watership.releases.incidents.response import Response
from watership.releases.journal import Fold, fold, journal
from watership.releases.judging.fuse import Lost
from watership.releases.measurement import Measurement
from watership.releases.order import Release
from watership.releases.plan import Plan
from watership.releases.program import PROGRAM, Outcome
from watership.releases.readiness.checklist import Point
from watership.releases.readiness.records import Measured, Record
from watership.releases.verdict import Verdict
from watership.testing import run_in_virtual_time

LOST = {"database": "failed: OSError"}


class Told:
    """Who was told of what."""

    def __init__(self) -> None:
        self.seats: list[str] = []

    async def __call__(self, incident: Incident, due: Due) -> None:
        self.seats.append(f"{incident.opening.title}: {due.seat}")


async def released(
    world: ReleaseWorld, incidents: MemoryIncidents, told: Told, *, broken: bool = False
) -> Outcome:
    """A release in which the database is lost for both sides, with a responder beside it."""
    await world.begin()
    env = world.controller()._env
    starting = asyncio.create_task(world.controller().start(world.brief()))
    while world.router.weights[Slot.BLUE] == 0 and not starting.done():
        await world.clock.sleep(0.1)
    run = await world.own.get(RunId(world.plan.release))
    assert run is not None and run.program == PROGRAM
    release = msgspec.json.decode(run.input, type=Release)

    async def look() -> Fold:
        if broken:
            raise Unavailable("The journal cannot be read.")
        return fold(await journal(world.own, RunId(world.plan.release)), release)

    responder = Responder(
        env,
        release,
        Response(incidents, world.audit, world.clock, USUAL),
        look=look,
        pages=world.audit.entries,
        tell=told,
    )
    complaints = Complaints(RESPONDER, audit=world.audit, clock=world.clock, observer=Notes())
    beside = Regular(responder.look_once, LOOK_SECONDS, complaints=complaints, clock=world.clock)
    async with together((beside,)):
        world.probe.components.update({LIVE.deployment: LOST, NEXT.deployment: LOST})
        return await starting


def source() -> Source:
    fuses = (Lost(of="database", window=5.0, then="roll_back"),)
    return Source(runbook=msgspec.structs.replace(SHORT_SOURCE.runbook, fuses=fuses), sha256="0" * 64)


def test_a_fuse_that_freezes_opens_a_critical_incident_and_tells_level_one_at_once() -> None:
    async def main() -> tuple[Outcome, Sequence[Incident], Told, list[str]]:
        world, incidents, told = ReleaseWorld(source=source()), MemoryIncidents(), Told()
        outcome = await released(world, incidents, told)
        return outcome, await incidents.all(), told, [entry.action for entry in world.audit.kept]

    outcome, incidents, told, actions = run_in_virtual_time(main, limit_seconds=3600.0)

    assert outcome.outcome == "rolled_back"
    frozen, back = incidents
    assert (frozen.opening.rule, frozen.severity) == ("fuse: database lost for 5s", "critical")
    assert (back.opening.rule, back.severity) == ("rollback", "critical")
    assert told.seats == [
        "Database lost for 5s: on_call",
        "The release was taken back automatically: on_call",
    ]
    assert actions.index("release.freeze") < actions.index("incident.opened") < actions.index("release.ended")


def test_a_responder_that_fails_delays_no_release_and_is_on_record_once_a_minute() -> None:
    async def main() -> tuple[Outcome, list[str], Sequence[Incident]]:
        world, incidents = ReleaseWorld(source=source()), MemoryIncidents()
        outcome = await released(world, incidents, Told(), broken=True)
        return outcome, [entry.action for entry in world.audit.kept], await incidents.all()

    outcome, actions, opened = run_in_virtual_time(main, limit_seconds=3600.0)

    assert outcome.outcome == "rolled_back"
    # What is not known of the windows keeps nobody from what the audit says.
    assert [each.opening.rule for each in opened] == ["fuse: database lost for 5s", "rollback"]
    assert 1 <= actions.count("companion.failed") <= 2


def test_a_seat_that_no_channel_leads_to_is_on_record_and_no_trouble_hides_another() -> None:
    class Deaf(Told):
        async def __call__(self, incident: Incident, due: Due) -> None:
            raise Unavailable(f"No channel leads to the seat {due.seat}.")

    async def main() -> set[Fact]:
        world = ReleaseWorld(source=source())
        await released(world, MemoryIncidents(), Deaf(), broken=True)
        complaints = [entry for entry in world.audit.kept if entry.action == "companion.failed"]
        return {entry.facts["problem"] for entry in complaints}

    assert run_in_virtual_time(main, limit_seconds=3600.0) == {
        "Unavailable: No channel leads to the seat on_call.",
        "Unavailable: The journal cannot be read.",
    }


def planned() -> Plan:
    point = Point(id="lag", text="Replication lag is below 100 ms", check="audit.verified")
    asked = Point(id="happy", text="No customer complains", attest="only people hear it")
    window = Validation(
        id="immediate",
        title="Immediate",
        begins=0.0,
        ends=1800.0,
        command="verify",
        owner="monitoring",
        points=(point, asked),
    )
    return msgspec.structs.replace(a_plan(), validations=(window,))


def measured(minutes: float, verdict: Verdict) -> Measured:
    at = NOON + timedelta(minutes=minutes)
    got = Measurement(verdict=verdict, evidence="the lag is 5 s", began=at, ended=at)
    return Measured(point="immediate/lag", build="b", by="attendant", got=got)


@pytest.mark.parametrize(
    ("records", "minutes", "kinds"),
    [
        ([], 10, []),
        ([measured(5, Verdict.PASSED)], 40, []),
        ([measured(5, Verdict.FAILED)], 6, [WindowFailed]),
        ([measured(5, Verdict.FAILED), measured(9, Verdict.PASSED)], 10, []),
        ([measured(5, Verdict.INCONCLUSIVE)], 10, []),
        ([measured(5, Verdict.INCONCLUSIVE)], 31, [WindowUnmet]),
        ([measured(-5, Verdict.PASSED)], 31, [WindowUnmet]),
        ([], 31, [WindowUnmet]),
    ],
)
def test_a_window_alarms_at_once_when_it_fails_and_at_its_end_when_nothing_is_known(
    records: list[Record], minutes: float, kinds: list[type[Alarm]]
) -> None:
    now = NOON + timedelta(minutes=minutes)

    found = window_alarms(planned(), records, promoted=NOON, now=now)

    assert [type(each) for each in found] == kinds
