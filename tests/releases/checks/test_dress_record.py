"""What the record of a dress rehearsal proves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.releases.checks.scenes import Looker, now
from watership.releases.readiness.dress import FOLDER, DressRehearsal, Kills, WayBack, scripts_of

DAY = 86_400.0


def put(looker: Looker, *, ago: timedelta = timedelta(hours=1), name: str = "one", **facts: Any) -> None:
    """A rehearsal of the looker's own plan, in which all went well but for what is said."""
    plan, ended = looker.plan, now() - ago
    given: dict[str, Any] = {
        "release": plan.release,
        "by": "ada",
        "began": ended - timedelta(minutes=5),
        "ended": ended,
        "live": plan.live.build.digest,
        "next": plan.next.build.digest,
        "runbook_sha256": plan.runbook_sha256,
        "smoke_sha256": plan.smoke_sha256,
        "controller": plan.controller,
        "scripts": scripts_of(plan),
        "proxy": "embedded",
        "servers": "files",
        "crash": "each",
        "takes": 33,
        "promoted": 33,
        "rolled_back": 0,
        "kills": Kills(points=500, killed=32, slowest=14.0),
        "way_back": WayBack(times=33, median=0.1, longest=0.4),
        "requests": 30_000,
        "failed": 0,
        "runs": 900,
        "lost": 0,
        "left_out": (),
        "faults": (),
    }
    looker.write(f"{FOLDER}/{name}.json", msgspec.json.encode(DressRehearsal(**{**given, **facts})))


def test_a_rehearsal_of_this_very_plan_that_went_well_lately_is_what_is_asked_for(looker: Looker) -> None:
    looker.fails("release.rehearsed", "No rehearsal of 2.1.0 is on record")
    put(looker)
    looker.passes("release.rehearsed", killed_at=32)
    looker.fails("release.rehearsed", "killed at 32 places; 33 are wanted", killed_at=33)
    looker.fails("release.rehearsed", "a rollback took 0.4 s", rollback_within=0.3)
    looker.fails("release.rehearsed", "ended only 14 s after", converges=13.0)


def test_it_expires(looker: Looker) -> None:
    put(looker, ago=timedelta(days=2))
    looker.fails("release.rehearsed", "was before 1d")
    looker.passes("release.rehearsed", younger_than=3 * DAY)
    put(looker, ago=timedelta(days=-1))
    looker.fails("release.rehearsed", "in the future")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("live", "live is another build"),
        ("runbook_sha256", "the runbook is another one"),
        ("smoke_sha256", "the smoke test is another one"),
        ("controller", "the controller is another build"),
    ],
)
def test_what_was_changed_since_voids_it(looker: Looker, what: str, words: str) -> None:
    changed: dict[str, Any] = {what: "sha256:other"}
    put(looker, **changed)
    looker.fails("release.rehearsed", words)


def test_a_script_that_was_changed_since_voids_it(looker: Looker) -> None:
    put(looker, scripts=())
    looker.fails("release.rehearsed", "was not rehearsed")


def test_another_build_under_the_same_name_is_not_what_was_rehearsed(looker: Looker) -> None:
    put(looker, next="sha256:other")
    looker.fails("release.rehearsed", "next is another build")


def test_the_newest_counts_whatever_came_of_it(looker: Looker) -> None:
    put(looker, name="old", ago=timedelta(hours=9))
    put(looker, name="new", faults=("journal.write#3/after: its journal has no end",))
    looker.fails("release.rehearsed", "its journal has no end")


def test_what_promoted_nothing_took_nothing_back(looker: Looker) -> None:
    put(looker, promoted=0, way_back=None)
    looker.fails("release.rehearsed", "promoted nothing")
