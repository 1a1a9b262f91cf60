"""What a controller does to have people told: one block around the release."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.releases.plans import a_plan
from watership.adapters.files.audit import read as entries
from watership.adapters.sqlite.store import SQLiteStore
from watership.config import load
from watership.durable.clock import SystemClock
from watership.releases.document import parse
from watership.releases.notices.comms import Comms, bound
from watership.releases.plan import fingerprint
from watership.releases.signoff import SignOff
from watership.testing.receivers import SlackReceiver
from watership.wiring.controller import open_desk
from watership.wiring.environment import Places
from watership.wiring.messages import shipped, telling

COMMS = """
channels: [{ id: ops, kind: slack, url: env:SLACK }]
send: [{ on: release.approved, template: comms/approvals.md, to: [ops] }]
"""


class Nobody:
    def note(self, event: str, **facts: object) -> None: ...


def test_people_are_told_while_the_block_runs_and_what_fails_in_it_comes_out(
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
        places.store.parent.mkdir(parents=True)
        async with await SQLiteStore.open(places.store, clock=SystemClock()):
            pass
        async with open_desk(config) as desk:
            comms = bound(parse(COMMS, Comms), shipped)
            async with telling(desk, plan, signed, comms, observer=Nobody()):
                raise RuntimeError("the release's own trouble")

    with SlackReceiver() as slack:
        monkeypatch.setenv("SLACK", slack.url)
        with pytest.raises(RuntimeError, match="own trouble"):
            asyncio.run(main())
        assert slack.received[0].body["text"] == "Approvals of agent-orchestrator 2.1.0: complete"
    actions = [entry.action for entry in entries(places.audit) if entry]
    assert actions == ["notice.put", "notice.delivered"]
