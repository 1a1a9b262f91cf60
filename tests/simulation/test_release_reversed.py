"""A rollback after a release has ended, or without its controller, is part of the release's record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from tests.releases.notices.scenes import Told, comms
from tests.simulation.release_targets import SimAudit
from tests.simulation.release_world import NEXT, ReleaseWorld
from tests.simulation.test_release_back import killed
from watership.adapters.memory.records import MemoryRecords
from watership.adapters.sqlite.store import SQLiteStore
from watership.cli.exits import Exit
from watership.cli.standing import exit_for, line
from watership.config import load
from watership.errors import Conflict, Unavailable
from watership.fleet.identity import everybody
from watership.releases.auditing import audit
from watership.releases.auditing.unhindered import Unhindered
from watership.releases.incidents.incident import Incidents
from watership.releases.notices.looking import looking
from watership.releases.notices.minute import LastMinute
from watership.releases.notices.situation import Situation
from watership.releases.order import Release
from watership.releases.plan import Overrides
from watership.releases.readiness.records import Record, TakenBack
from watership.releases.reporting.account import account
from watership.releases.reporting.dora import dora
from watership.releases.rollback_now import rollback_now
from watership.releases.verdict import Verdict
from watership.releases.warrant import Caller
from watership.testing import run_in_virtual_time
from watership.wiring.desk import Desk, Known
from watership.wiring.environment import Places
from watership.wiring.reporting import past_releases

SECONDS = 36_000.0


class NoIncidents:
    async def all(self) -> list[object]:
        return []


def a_desk(world: ReleaseWorld, told: list[str], folder: Path) -> Desk:
    """The desk of a world; `told`: the releases of which it had people told."""

    async def tells(release: Release) -> None:
        told.append(release.plan.release)

    controller = world.controller()
    return Desk(
        environment=controller._env,
        controller=controller,
        store=cast(SQLiteStore, world.own),
        places=Places.of(load(folder, {})),
        name="simulation",
        tells=tells,
    )


async def seen(desk: Desk, known: Known) -> Situation:
    env = desk.environment
    look = looking(
        known.release.plan,
        runs=desk.store,
        records=env.records,
        snapshots=env.snapshots,
        incidents=cast(Incidents, NoIncidents()),
        clock=env.clock,
        minute=LastMinute(env.metrics, env.router, env.clock),
        pages=lambda: (),
    )
    return await look()


def test_a_rollback_after_the_promotion_is_told_wherever_the_release_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        world, told = ReleaseWorld(overrides=Overrides(watch_seconds=5.0)), list[str]()
        await world.begin()
        assert (await world.controller().start(world.brief())).outcome == "promoted"
        desk, outbox = a_desk(world, told, tmp_path), Told(comms())
        known = await desk.find(None)
        outbox.look(await seen(desk, known), world.clock.now())
        assert await desk.taken_back() is None

        found = await desk.take_back("mo", "Disk usage > 90%", force=False, seconds=5.0)

        assert found is not None and found.verdict is Verdict.PASSED and told == ["2.1.0-1"]
        status, now = await desk.status(known), world.clock.now()
        assert (status.stage, exit_for(status)) == ("rolled_back", Exit.ROLLED_BACK)
        words = line(status, now)
        assert words.startswith("2.1.0-1 rolled_back: promoted at ")
        assert "taken back at" in words and words.endswith("by mo: Disk usage > 90%")

        situation = await seen(desk, known)
        assert (situation.headline, situation.stage) == ("ROLLED BACK", "rolled_back")
        assert situation.rollback is not None and situation.rollback.by == "mo"
        assert outbox.look(situation, now) == ["rollback/2.1.0-1", "rollback/2.1.0-1/done"]

        with pytest.raises(Conflict, match=r"has ended: rolled back at .*taken back at"):
            await (await desk.clerk("2.1.0-1")).ready("lead", Caller(everybody("mo", world.clock), open=True))
        with pytest.raises(Conflict, match="release plan") as started:
            await world.controller().start(world.brief())
        assert "resume" not in str(started.value)

        records = await desk.environment.records.all("2.1.0-1")
        await reported(desk, known, records, now)
        rate = dora(await past_releases(desk, rehearsals=False), now)[2]
        assert (rate.name, rate.value) == ("Change failure rate", "100 %: 1 of 1")

    run_in_virtual_time(main, limit_seconds=SECONDS)


async def reported(desk: Desk, known: Known, records: object, now: datetime) -> None:
    from watership.releases.journal import fold, journal

    state = fold(await journal(desk.store, known.id), known.release)
    report = account(
        known.release, state, audit=desk.environment.audit, records=cast(list[Record], records), now=now
    )
    assert report.outcome == "rolled_back" and "taken back at" in report.reason
    assert report.weights[-1].weight == 0.0
    (decision,) = report.decisions or ()
    assert (decision.who, decision.what) == ("mo", "took it back")
    assert decision.reason.startswith("Disk usage > 90%; Back on 2.0.5")


def test_a_rollback_of_a_release_whose_controller_died_is_on_record_before_it_is_resumed(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await killed(world, after="release.cutover.half.passed")
        desk = a_desk(world, [], tmp_path)

        await desk.take_back("mo", "", force=False, seconds=5.0)

        status = await desk.status(await desk.find(None))
        assert (status.stage, status.over, status.unattended) == ("taking_back", False, True)
        assert "taken back at" in line(status, world.clock.now())
        assert (await world.controller().resume()).outcome == "rolled_back"

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_rollback_that_did_not_succeed_is_on_record_as_that_and_waits_for_a_person(tmp_path: Path) -> None:
    async def main() -> None:
        world = ReleaseWorld(overrides=Overrides(watch_seconds=5.0))
        await world.begin()
        await world.controller().start(world.brief())
        world.router.deaf = True
        desk = a_desk(world, [], tmp_path)

        found = await desk.take_back("mo", "", force=False, seconds=5.0)

        assert found is not None and found.verdict is Verdict.FAILED
        status = await desk.status(await desk.find(None))
        assert (status.stage, exit_for(status)) == ("promoted", Exit.INCONCLUSIVE)
        assert "WAITS FOR A PERSON: The rollback that mo ordered" in line(status, world.clock.now())

    run_in_virtual_time(main, limit_seconds=SECONDS)


class FullDisk(MemoryRecords):
    async def add(self, release: str, record: Record) -> None:
        assert isinstance(record, TakenBack)
        raise Unavailable("No space is left.")


def test_a_rollback_that_cannot_be_put_on_record_is_no_success_and_says_what_was_done() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await killed(world, after="release.cutover.half.passed")
        world.records = FullDisk(world.audit)

        found = await rollback_now(world.controller()._env, who="mo", reason="")

        assert found.verdict is Verdict.FAILED
        assert found.evidence.startswith("Back on 2.0.5") and "No space is left" in found.evidence
        assert (await world.router.read()).weights[NEXT.slot] == 0

    run_in_virtual_time(main, limit_seconds=SECONDS)


class Tampered(SimAudit):
    """Somebody has changed it: nothing can be added any more."""

    def append(self, actor: str, action: str, facts: Mapping[str, audit.Fact]) -> audit.Entry:
        raise audit.AuditBroken("audit.jsonl", audit.Broken(number=3, reason="it was changed"))


def test_a_broken_audit_does_not_hold_up_a_rollback_at_once_and_what_it_did_not_take_is_told() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await killed(world, after="release.cutover.half.passed")
        held = Unhindered(Tampered(world.clock), world.clock)
        env = dataclasses.replace(world.controller()._env, audit=held, records=FullDisk(world.audit))

        found = await rollback_now(env, who="mo", reason="orders fail")

        assert (await world.router.read()).weights[NEXT.slot] == 0
        assert found.evidence.startswith("Back on 2.0.5")
        assert [each.entry.action for each in held.untaken] == [
            "release.rollback_now",
            "release.rollback_now.passed",
        ]
        (words,) = held.told()
        assert "it was changed" in words and "mo release.rollback_now" in words

    run_in_virtual_time(main, limit_seconds=SECONDS)
