"""What a controller does to have people told: one block around the release."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.releases.plans import a_plan
from watership.adapters.files.audit import read as entries
from watership.adapters.sqlite.store import SQLiteStore
from watership.config import load
from watership.durable.clock import SystemClock
from watership.releases.company import together
from watership.releases.document import parse
from watership.releases.escalation import Due
from watership.releases.incident import Opening, Severity, opened
from watership.releases.notices.comms import Comms, bound
from watership.releases.plan import fingerprint
from watership.releases.records import Signed
from watership.releases.signoff import SignOff
from watership.testing.receivers import SlackReceiver
from watership.wiring.controller import open_desk
from watership.wiring.environment import Places
from watership.wiring.incidents import incidents_of
from watership.wiring.messages import Telling, shipped

COMMS = """
channels: [{ id: ops, kind: slack, url: env:SLACK }, { id: other, kind: slack, url: env:NOWHERE }]
send:
  - { on: release.approved, template: comms/approvals.md, to: [ops] }
  - { on: incident, only: [MEDIUM], template: comms/incident.md, to: [other] }
seats: { monitoring: [ops] }
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


@pytest.mark.parametrize("fails", [True, False])
def test_people_are_told_while_the_block_runs_and_what_fails_in_it_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    config = load(tmp_path, {})
    places = Places.of(config)
    now = SystemClock().now()
    plan = replace(a_plan(created_at=now), comms=bound(parse(COMMS, Comms), shipped))
    signed = tuple(
        SignOff(fingerprint=fingerprint(plan), role=role, person=f"P {role}", at=now)
        for role in plan.signoffs.needed
    )

    async def main() -> None:
        places.store.parent.mkdir(parents=True)
        async with await SQLiteStore.open(places.store, clock=SystemClock()):
            pass
        async with open_desk(config) as desk:
            for each in signed:
                await desk.environment.records.add(plan.release, Signed(signoff=each))
            telling = Telling(
                desk.environment,
                desk.store,
                plan,
                incidents=incidents_of(places),
                places=places,
                observer=Nobody(),
            )
            if fails:
                async with together((telling,)):
                    await asyncio.sleep(0)
                    raise RuntimeError("the release's own trouble")
            incident = await incidents_of(places).add(opened(OPENING, who="ina", at=now))
            assert incident is not None
            async with together((telling,)):
                for _ in range(2):
                    await telling.escalate(incident, DUE)

    with SlackReceiver() as slack:
        monkeypatch.setenv("SLACK", slack.url)
        if fails:
            with pytest.raises(RuntimeError, match="own trouble"):
                asyncio.run(main())
        else:
            asyncio.run(main())
        subjects = [request.body["text"] for request in slack.received]
    asked = "[CRITICAL] On-Call Engineer: Incident INC-1: Errors above 10 %"
    assert sorted(subjects) == ["Approvals of one-machine 2.1.0: complete"] + ([] if fails else [asked])
    actions = [entry.action for entry in entries(places.audit) if entry]
    assert actions.count("notice.put") == actions.count("notice.delivered") == (1 if fails else 2)
