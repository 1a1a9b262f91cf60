"""What the records of drills prove."""

from __future__ import annotations

from datetime import timedelta

from tests.releases.checks.records import a_drill, put
from tests.releases.checks.scenes import Looker
from watership.releases.readiness.drill import FOLDER, Step

DAY = 86400.0


def test_the_last_drill_has_to_be_fresh_and_to_have_passed(looker: Looker) -> None:
    looker.fails("drill.fresh", "No drill of rollback", kind="rollback", younger_than=DAY)
    put(looker, a_drill("rollback", ago=timedelta(days=2)))
    looker.passes("drill.fresh", kind="rollback", younger_than=3 * DAY)
    looker.fails("drill.fresh", "was before 1d", kind="rollback", younger_than=DAY)
    put(looker, a_drill("rollback", outcome="failed", words="green did not come up"))
    looker.fails("drill.fresh", "failed: green did not come up", kind="rollback", younger_than=3 * DAY)


def test_a_drill_is_of_the_build_that_it_says(looker: Looker) -> None:
    put(looker, a_drill("migration", build="sha256:other"))
    looker.passes("drill.fresh", kind="migration", younger_than=DAY)
    looker.fails(
        "drill.fresh",
        "was of sha256:other, not of sha256:2.1.0",
        kind="migration",
        younger_than=DAY,
        of="next",
    )
    looker.fails("drill.fresh", "in production", kind="migration", younger_than=DAY, environment="production")


def test_a_drill_of_the_future_is_none(looker: Looker) -> None:
    put(looker, a_drill("rollback", ago=timedelta(days=-1)))
    looker.fails("drill.fresh", "in the future", kind="rollback", younger_than=DAY)


def test_time_is_that_of_the_last_drill_that_passed_or_of_its_step(looker: Looker) -> None:
    put(looker, a_drill("rollback", ago=timedelta(days=2)))
    put(looker, a_drill("rollback", seconds=1.0, outcome="failed"))
    looker.passes("drill.within", kind="rollback", below=41.0)
    looker.fails("drill.within", "took 40s; below 30s", kind="rollback", below=30.0)
    looker.passes("drill.within", kind="rollback", step="traffic", below=4.0)
    looker.fails("drill.within", "traffic took 3s", kind="rollback", step="traffic", below=3.0)
    looker.fails("drill.within", "did not measure 'schema'", kind="rollback", step="schema", below=3.0)
    looker.fails("drill.within", "No drill of failover has passed", kind="failover", below=3.0)


def test_each_step_was_gone_through(looker: Looker) -> None:
    looker.fails("drill.steps", "No drill", kind="failover", steps="promote")
    steps = (
        Step(name="promote", seconds=1.0, passed=True),
        Step(name="compare", seconds=1.0, passed=False, words="3 rows"),
    )
    put(looker, a_drill("failover", steps=steps, outcome="failed"))
    looker.passes("drill.steps", kind="failover", steps="promote")
    looker.fails("drill.steps", "'compare' failed: 3 rows", kind="failover", steps="promote, compare")
    looker.fails("drill.steps", "'redirect' was left out", kind="failover", steps="promote, redirect")
    looker.unsure("drill.steps", "an empty 'steps'", kind="failover", steps="")


def test_a_broken_record_is_no_verdict(looker: Looker) -> None:
    looker.write(f"{FOLDER}/rollback.json", '{"kind": "rollback"}')
    for check, more in (
        ("drill.fresh", {"younger_than": DAY}),
        ("drill.within", {"below": 1.0}),
        ("drill.steps", {"steps": "a"}),
    ):
        looker.unsure(check, "no record of a drill", kind="rollback", **more)
    looker.unsure("drill.fresh", "No drill is 'fire'", kind="fire", younger_than=DAY)


def test_a_drill_with_a_failed_step_cannot_have_passed(looker: Looker) -> None:
    text = (
        '{"schema": "watership/drill/v1", "kind": "rollback", "environment": "staging", '
        '"began": "2026-11-29T10:00:00Z", "seconds": 3, "outcome": "passed", '
        '"steps": [{"name": "traffic", "seconds": 1, "passed": false}]}'
    )
    looker.write(f"{FOLDER}/rollback.json", text)
    looker.unsure("drill.fresh", "has not passed", kind="rollback", younger_than=DAY)
