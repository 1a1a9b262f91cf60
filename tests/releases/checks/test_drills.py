"""What the records of drills prove."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.releases.checks.records import a_drill, put
from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
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


def test_time_is_that_of_the_last_drill_or_of_its_step(looker: Looker) -> None:
    put(looker, a_drill("rollback", ago=timedelta(days=2)))
    looker.passes("drill.within", kind="rollback", below=41.0)
    looker.fails("drill.within", "took 40s; below 40s", kind="rollback", below=40.0)
    looker.passes("drill.within", kind="rollback", step="traffic", below=4.0)
    looker.fails("drill.within", "traffic took 3s", kind="rollback", step="traffic", below=3.0)
    looker.fails("drill.within", "did not measure 'schema'", kind="rollback", step="schema", below=3.0)
    looker.fails("drill.within", "No drill of failover is on record", kind="failover", below=3.0)
    looker.fails("drill.within", "in production", kind="rollback", below=41.0, environment="production")


def test_what_was_lost_and_for_how_long_counts_where_it_was_measured(looker: Looker) -> None:
    put(looker, a_drill("backup-restore", seconds=3000.0, rto=1700.0))
    looker.passes("drill.within", kind="backup-restore", figure="rto", below=1800.0)
    looker.fails("drill.within", "RTO took 28m 20s", kind="backup-restore", figure="rto", below=1700.0)
    looker.fails("drill.within", "did not measure 'rpo'", kind="backup-restore", figure="rpo", below=300.0)
    looker.unsure("drill.within", "No drill measures 'luck'", kind="backup-restore", figure="luck", below=1.0)


TRAFFIC: dict[str, Given] = {"kind": "rollback", "steps": "traffic"}
QUICK: dict[str, Given] = {"kind": "rollback", "below": 41.0}


def test_the_newest_drill_counts_whatever_came_of_it(looker: Looker) -> None:
    """One that failed is not passed over for an older one that went well."""
    put(looker, a_drill("rollback", ago=timedelta(days=2)))
    put(looker, a_drill("rollback", seconds=1.0, outcome="failed", words="green did not come up"))
    looker.fails("drill.within", "failed: green did not come up", **QUICK)
    looker.fails("drill.steps", "failed: green did not come up", **TRAFFIC)
    looker.fails("drill.fresh", "failed: green did not come up", kind="rollback")


def test_a_drill_by_another_method_says_nothing_of_this_one(looker: Looker) -> None:
    wanted = {"kind": "backup-restore", "method": "archive", "steps": "traffic"}
    put(looker, a_drill("backup-restore", ago=timedelta(days=1), facts={"method": "archive"}))
    put(looker, a_drill("backup-restore", outcome="failed", facts={"method": "copy"}))
    looker.passes("drill.steps", **wanted)
    put(
        looker,
        a_drill("backup-restore", ago=timedelta(minutes=1), outcome="failed", facts={"method": "archive"}),
    )
    looker.fails("drill.steps", "failed", **wanted)
    looker.fails("drill.fresh", "No drill of failover is on record by pair", kind="failover", method="pair")


@pytest.mark.parametrize(("days", "words"), [(91, "was before 90d"), (-1, "began in the future")])
def test_a_drill_of_long_ago_is_forgotten(looker: Looker, days: float, words: str) -> None:
    put(looker, a_drill("rollback", ago=timedelta(days=days)))
    looker.fails("drill.within", words, **QUICK)
    looker.fails("drill.steps", words, **TRAFFIC)
    looker.fails("drill.fresh", words, kind="rollback")


def test_how_old_a_drill_may_be_is_said(looker: Looker) -> None:
    put(looker, a_drill("rollback", ago=timedelta(days=2)))
    looker.passes("drill.within", **QUICK, younger_than=3 * DAY)
    looker.fails("drill.within", "was before 1d", **QUICK, younger_than=DAY)
    looker.passes("drill.steps", **TRAFFIC, younger_than=3 * DAY)
    looker.fails("drill.steps", "was before 1d", **TRAFFIC, younger_than=DAY)


def test_each_step_was_gone_through(looker: Looker) -> None:
    looker.fails("drill.steps", "No drill", kind="failover", steps="promote")
    put(looker, a_drill("failover", steps=(Step(name="promote", seconds=1.0, passed=True),)))
    looker.passes("drill.steps", kind="failover", steps="promote")
    looker.fails("drill.steps", "left out 'redirect'", kind="failover", steps="promote, redirect")
    looker.unsure("drill.steps", "an empty 'steps'", kind="failover", steps="")
    broken = (
        Step(name="promote", seconds=1.0, passed=True),
        Step(name="compare", seconds=1.0, passed=False, words="3 rows"),
    )
    put(looker, a_drill("failover", steps=broken, outcome="failed", ago=timedelta(minutes=1)))
    looker.fails("drill.steps", "failed: compare: 3 rows", kind="failover", steps="promote")


RECORD = {
    "schema": "watership/drill/v1",
    "kind": "rollback",
    "environment": "staging",
    "began": "2024-11-29T10:00:00Z",
    "seconds": 3,
    "outcome": "passed",
    "by": "sam",
    "steps": [{"name": "traffic", "seconds": 1, "passed": True}],
}

WRONG: dict[str, dict[str, object]] = {
    "has not passed": {"steps": [{"name": "traffic", "seconds": 1, "passed": False}]},
    "in which zone": {"began": "2024-11-29T10:00:00"},
    "not from its beginning to its end": {"ended": "2024-11-29T10:01:00Z"},
    "Expected `str` of length >= 1": {"by": ""},
}


@pytest.mark.parametrize("words", WRONG)
def test_a_record_that_contradicts_itself_or_has_no_author_is_none(looker: Looker, words: str) -> None:
    looker.write(f"{FOLDER}/rollback.json", json.dumps(RECORD))
    looker.passes("drill.fresh", kind="rollback", younger_than=36_500 * DAY)
    looker.write(f"{FOLDER}/rollback.json", json.dumps(RECORD | WRONG[words]))
    looker.unsure("drill.fresh", words, kind="rollback", younger_than=36_500 * DAY)


def test_a_broken_record_is_no_verdict(looker: Looker) -> None:
    looker.write(f"{FOLDER}/rollback.json", '{"kind": "rollback"}')
    for check, more in (
        ("drill.fresh", {"younger_than": DAY}),
        ("drill.within", {"below": 1.0}),
        ("drill.steps", {"steps": "a"}),
    ):
        looker.unsure(check, "no record of a drill", kind="rollback", **more)
    looker.unsure("drill.fresh", "No drill is 'fire'", kind="fire", younger_than=DAY)
