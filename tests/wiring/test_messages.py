"""What a controller does to have people told: a companion of the release, and a way to tell a level."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.releases.folds import a_release
from tests.releases.plans import a_plan
from watership.adapters.files.audit import read as entries
from watership.config import load
from watership.durable.clock import SystemClock
from watership.durable.ids import RunId
from watership.durable.writes import Submit
from watership.releases.book.document import parse
from watership.releases.company import together
from watership.releases.controller import DEPLOYMENT
from watership.releases.incidents.escalation import Due
from watership.releases.incidents.incident import Opening, Severity, opened
from watership.releases.notices.comms import Comms, bound
from watership.releases.plan import fingerprint
from watership.releases.program import PROGRAM
from watership.releases.readiness.records import Signed, TakenBack
from watership.releases.readiness.signoff import SignOff
from watership.testing.receivers import SlackReceiver
from watership.wiring.controller import open_desk
from watership.wiring.environment import Places
from watership.wiring.incidents import incidents_of
from watership.wiring.messages import outbox, press, shipped
from watership.wiring.system import open_system

COMMS = """
channels: [{ id: ops, kind: slack, url: env:SLACK }, { id: other, kind: slack, url: env:NOWHERE }]
send:
  - { on: release.approved, template: comms/approvals.md, to: [ops] }
  - { on: incident, only: [MEDIUM], template: comms/incident.md, to: [other] }
seats: { monitoring: [ops] }
"""

BACK = """
channels: [{ id: ops, kind: slack, url: env:SLACK }]
send: [{ on: rollback.started, template: comms/rollback.md, to: [ops] }]
"""

NOW = SystemClock().now()
OPENING = Opening(
    rule="",
    release="",
    title="Errors above 10 %",
    symptom="15.2 % of requests fail",
    severity=Severity.CRITICAL,
    at=NOW,
)
DUE = Due(
    incident="INC-1",
    level=1,
    title="On-Call Engineer",
    seat="monitoring",
    powers=("Investigate issue",),
    at=NOW,
    because="it was opened",
)


class Nobody:
    def note(self, event: str, **facts: object) -> None: ...


def test_a_release_takes_along_who_tells_people_and_who_tells_a_level_of_its_incidents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(tmp_path, {})
    places = Places.of(config)
    now = SystemClock().now()
    plan = a_plan(created_at=now)
    signed = tuple(
        SignOff(fingerprint=fingerprint(plan), role=role, person=f"P {role}", at=now)
        for role in plan.signoffs.needed
    )

    async def main() -> None:
        async with await open_system(config, waits=True):
            pass
        async with open_desk(config) as desk:
            comms = bound(parse(COMMS, Comms), shipped)
            for signoff in signed:
                await desk.environment.records.add(plan.release, Signed(signoff=signoff))
            incidents = incidents_of(places)
            with outbox(places) as box:
                made = press(
                    desk.environment,
                    desk.store,
                    incidents,
                    box=box,
                    comms=comms,
                    plan=plan,
                    observer=Nobody(),
                )
                async with together([made.messenger]):
                    pass  # a release that is over at once
                incident = await incidents.add(opened(OPENING, who="ina", at=now))
                assert incident is not None
                for _ in range(2):
                    await made.tell(incident, DUE)
                async with together([made.messenger]):
                    pass

    with SlackReceiver() as slack:
        monkeypatch.setenv("SLACK", slack.url)
        asyncio.run(main())
        subjects = [request.body["text"] for request in slack.received]
    assert subjects == [
        "Approvals of one-machine 2.1.0: complete",
        "[CRITICAL] On-Call Engineer: Incident INC-1: Errors above 10 %",
    ]
    told = [entry.action for entry in entries(places.audit) if entry]
    assert [each for each in told if each != "plan.signed"] == ["notice.put", "notice.delivered"] * 2


def test_people_hear_of_a_rollback_though_nobody_goes_along_with_the_release_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(tmp_path, {})
    now = SystemClock().now()
    release = replace(
        a_release(), plan=replace(a_plan(created_at=now), comms=bound(parse(BACK, Comms), shipped))
    )
    name, value = release.plan.release, msgspec.Raw(msgspec.json.encode(release))
    back = TakenBack(person="mo", reason="disk", began=now, ended=now, done=True, evidence="Back on 2.0.5.")

    async def main() -> None:
        async with await open_system(config, waits=True):
            pass
        async with open_desk(config) as desk:
            await desk.store.write(
                [Submit(run_id=RunId(name), program=PROGRAM, input=value, deployment=DEPLOYMENT)]
            )
            await desk.environment.records.add(name, back)
            for _ in range(2):
                await desk.tells(release)

    with SlackReceiver() as slack:
        monkeypatch.setenv("SLACK", slack.url)
        asyncio.run(main())
        subjects = [request.body["text"] for request in slack.received]
    assert subjects == ["ROLLBACK: one-machine 2.1.0", "Rolled back: one-machine 2.1.0"]
