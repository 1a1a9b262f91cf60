"""A go-live with the whole checklist, from T-24h to T+24h: everybody takes part, and every point is looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from tests.checklist.world import RUNBOOK
from tests.conftest import NIGHTLY
from tests.journeys.attendance import MINUTES, Attendance, attendance
from tests.journeys.golive import GoLive
from tests.journeys.told import everybody_was_told
from tests.managed import Servers
from tests.releases.reporting.test_report_forms import BLUE, GREEN, Paper, told
from tests.releases.reports import Elements, dead_links
from watership.releases.book.shelf import shipped
from watership.releases.readiness.checklist import items_of, key
from watership.releases.readiness.records import Attested, Measured


@contextmanager
def controlled(there: GoLive, name: str) -> Iterator[Popen[bytes]]:
    """The controller of a release, which ends with the context at the latest."""
    controller = there.release(name)
    try:
        yield controller
    finally:
        controller.kill()
        controller.wait()


# Before its servers are begun: the whole of it is for the night.
@pytest.mark.skipif(
    not NIGHTLY,
    reason="a minute and a half of two cores: at night; by day with the small runbook, in test_golive",
)
@pytest.mark.usefixtures("long")
def test_a_whole_go_live_ends_well_or_is_refused_for_one_thing_that_is_wrong(
    tmp_path: Path, servers: Servers
) -> None:
    with attendance(tmp_path, servers) as everybody:
        a_backup_that_is_stale_is_refused(everybody)
        an_image_that_changed_after_it_was_signed_is_refused(everybody)
        a_plan_whose_migration_was_changed_by_a_byte_is_refused(everybody)
        everybody.plan("r1")
        everybody.called()
        everybody.attest(lambda item: item.by < 0)
        with controlled(everybody.there, "r1") as controller:
            prepared(everybody)
            decided(everybody)
            watched(everybody)
            assert controller.wait(60) == 0
        every_item_has_its_evidence(everybody)
        opened = everybody.there.must("operator", "incident", "list", "--all")["incidents"]
        everybody_was_told(everybody.desks, [each["id"] for each in opened])
        the_decision_is_shown_by_our_own_words(everybody)
        the_report_has_all_items_and_no_dead_link(everybody)


# --- what is refused -------------------------------------------------------------------------------------------


def a_plan_whose_migration_was_changed_by_a_byte_is_refused(everybody: Attendance) -> None:
    everybody.plan("byte")
    everybody.signed()
    papers = everybody.there.folder / ".watership" / "releases" / "byte" / "plan.json"
    draft = json.loads(papers.read_text())
    draft["scripts"][0]["forward"] = draft["scripts"][0]["forward"].replace("guests", "guestz")
    papers.write_text(json.dumps(draft))
    code, _ = everybody.there.act("operator", "release", "start", "byte")
    assert code == 2, everybody.there.words
    assert "A script of migration 6 is not the one that was planned." in everybody.there.words


def an_image_that_changed_after_it_was_signed_is_refused(everybody: Attendance) -> None:
    everybody.plan("moved")
    everybody.attest(lambda item: item.by < 0)
    everybody.signed()
    with everybody.whole.faults["image/digest"]():
        refused_for(everybody, "moved", "4 ", "image/digest", at="gate/review", lasts="20h")


def a_backup_that_is_stale_is_refused(everybody: Attendance) -> None:
    everybody.plan("stale")
    everybody.attest(lambda item: item.by < 0)
    everybody.called()
    with everybody.whole.faults["backup-recovery/full"]():
        refused_for(everybody, "stale", "25 ", "backup-recovery/full", at="gate/verification", lasts="3h")


def refused_for(everybody: Attendance, name: str, item: str, point: str, *, at: str, lasts: str) -> None:
    """The release is refused at that gate with exit 3, for that one point."""
    there = everybody.there
    with controlled(there, name) as controller:
        there.reach(at)
        everybody.until(lambda: any(said(everybody, name, point)))
        there.leap(lasts, "--force")
        assert controller.wait(60) == 3, (there.folder / "controller.log").read_text()[-2000:]
    status = there.status()
    assert status["stage"] == "refused" and item in status["reason"], status["reason"]
    code, found = there.act("operator", "check", "list", "--open", "--release", name)
    assert code == 3
    assert [each["key"] for each in failed_points(found)] == [point]


def said(everybody: Attendance, name: str, point: str) -> Iterator[bool]:
    """Each time that something was found of a point."""
    return (isinstance(each, Measured) and each.point == point for each in everybody.records(name))


def failed_points(found: Mapping[str, Any]) -> list[Any]:
    return [point for item in found["items"] for point in item["points"] if point["state"] == "failed"]


# --- what goes well --------------------------------------------------------------------------------------------


def prepared(everybody: Attendance) -> None:
    """Up to T-1h: what is due is good each time, what expired was measured anew, and everybody has arrived."""
    there = everybody.there
    there.until("T-4h")
    there.leap("20h")
    everybody.ready()
    there.until("T-1h")
    there.leap("3h")


def decided(everybody: Attendance) -> None:
    """Approvals, the roll call, and GO by who may say it; with one sign-off missing nobody can."""
    there = everybody.there
    everybody.signed(but="security_lead")
    everybody.ready()
    everybody.called("deployment_lead")  # who has to be there tonight, and was asked yesterday
    everybody.attest(lambda item: item.by == 0)
    there.reach("pre-validation/checks")
    assert go(everybody) == 7 and "security_lead: not given" in there.words
    there.must("security_lead", "signoff", "give", "security_lead")
    there.leap("1m")
    there.reach("pre-validation/go-no-go")
    assert go(everybody) == 0, there.words
    everybody.attest(lambda item: item.by > 0)


def go(everybody: Attendance) -> int:
    words = ("gate", "decide", "go", "--reason", "everything is as it should be")
    return everybody.there.act("deployment_lead", *words)[0]


def watched(everybody: Attendance) -> None:
    """The day after the promotion, with what is looked at in its time."""
    there = everybody.there
    # What expired since T+0 is measured anew, and what looks at that a minute later.
    assert there.go_on("watching", 180)["stage"] == "watching", there.status()["reason"]
    for window, owner, ends in (
        ("immediate", "", "31m"),
        ("short-term", "monitoring", "90m"),
        ("extended", "deployment_lead", "22h"),
    ):
        if owner:
            there.must(owner, "check", "attest", window, "--words", "as it should be", "--evidence", MINUTES)
        everybody.until(partial(good, everybody, window))
        there.leap(ends)
    # Nobody saw the hours that were leapt over, so that a person is content with the watch, or is not.
    everybody.until(lambda: there.status()["asks"])
    there.must("operator", "release", "accept", "--reason", "it is a rehearsal")
    assert there.go_on("promoted")["stage"] == "promoted"
    assert there.traffic is not None and there.traffic.answered > 100 and not there.traffic.failed


def good(everybody: Attendance, window: str) -> bool:
    return everybody.there.act("operator", "check", "list", window)[0] == 0


# --- what is left of it ----------------------------------------------------------------------------------------


def every_item_has_its_evidence(everybody: Attendance) -> None:
    """Of each point of the 60 items there is a word on record that was good."""
    records = everybody.records("r1")
    measured = {each.point for each in records if isinstance(each, Measured) and each.got.passed}
    attested = {
        point for each in records if isinstance(each, Attested) and each.sha256 for point in each.points
    }
    items = list(items_of(shipped(RUNBOOK).runbook.checklist))
    assert len(items) == 60
    for item in items:
        for point in item.points:
            assert key(item, point) in (measured if point.check else attested)


def the_decision_is_shown_by_our_own_words(everybody: Attendance) -> None:
    """Nobody but the release has written under the ticket."""
    for point in ("authority/filed", "approvals/ticket"):
        assert any(
            isinstance(each, Measured) and each.point == point and each.got.passed
            for each in everybody.records("r1")
        )
    assert len(everybody.desks.jira.comments) == len(everybody.desks.jira.received)


def the_report_has_all_items_and_no_dead_link(everybody: Attendance) -> None:
    there = everybody.there
    page = Path(there.must("operator", "release", "report", "r1", "--to", "html")["report"])
    paper = Path(there.must("operator", "release", "report", "r1", "--to", "pdf")["report"])
    text = told(Elements(page.read_text()).text)
    sheets = Paper(paper.read_bytes())
    printed = told(sheets.text())
    assert dead_links(page) == []
    for item in items_of(shipped(RUNBOOK).runbook.checklist):
        assert told(item.title) in text and told(item.title) in printed, item.title
    # Errors and latency of both places, each a line of the seconds around the cutover that were not leapt over.
    for colour in (BLUE, GREEN):
        assert len(lines := sheets.lines(colour)) >= 2 and max(lines) >= 5, lines
