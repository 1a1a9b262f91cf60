"""The team is there since a moment of the calendar; and items are measured once more when it is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.checklist.desk import Desk, planned
from tests.checklist.world import World
from tests.releases.checks.looks import look
from tests.simulation.release_targets import SimAudit
from watership.adapters.memory.records import MemoryRecords
from watership.durable.clock import SystemClock
from watership.releases.readiness.checklist import ChecklistItem, Point, Section
from watership.releases.readiness.records import Measured
from watership.releases.readiness.rounds import measured
from watership.releases.verdict import Verdict

PASSED, FAILED, UNKNOWN = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE


def present(world: World, since: str) -> tuple[Verdict, str]:
    """What a roll call finds that waits for nobody."""
    point = Point(id="it", text="it", check="team.present", parameters={"since": since}, timeout=1.0)
    got = asyncio.run(measured(world.scene(), "it", point))
    return got.verdict, got.evidence


def test_a_roll_call_of_before_is_no_presence(tmp_path: Path) -> None:
    world = World(tmp_path)
    desk = Desk(world)
    world.plan, world.records = desk.plan(), desk.records
    assert present(world, "T-2h")[0] is PASSED  # all answered an hour before
    verdict, words = present(world, "T-30m")
    assert verdict is UNKNOWN and "deployment_lead" in words and "communication" in words
    with desk.but(absent={"qa"})():
        assert present(world, "T-2h") == (
            UNKNOWN,
            "Not yet here since T-2h: qa.",
        )


def test_items_are_measured_once_more_and_put_on_record(tmp_path: Path) -> None:
    world, records = World(tmp_path), MemoryRecords(SimAudit(SystemClock()))
    told: dict[str, Any] = {
        "check": "document.says",
        "parameters": {"path": "guide.md", "section": "How", "words": 3},
    }
    points = (
        Point(id="written", text="Written", **told),
        Point(id="read", text="Read", attest="Whether it was read nobody sees."),
    )
    item = ChecklistItem(
        id="guide",
        number=1,
        title="Guide",
        owner="qa",
        by=0.0,
        verification="look",
        command="look",
        points=points,
    )
    section = Section(schema="watership/checklist/v1", section="A", id="a", title="A", items=(item,))
    world.plan, world.records = replace(planned(), checklist=(section,)), lambda plan: records
    verdict, words = look(world, "checklist.again", items="guide")
    assert verdict is FAILED and "1 of 1 points of guide do not pass now: guide/written failed" in words
    world.write("guide.md", "## How\n\nLike this, and that.\n")
    assert look(world, "checklist.again", items="guide") == (PASSED, "1 points of guide are as they were.")
    kept = asyncio.run(records.all(world.plan.release))
    assert [each.got.verdict for each in kept if isinstance(each, Measured)] == [FAILED, PASSED]
    verdict, words = look(world, "checklist.again", items="guide, nothing")
    assert verdict is UNKNOWN and "Of nothing nothing can be measured" in words
