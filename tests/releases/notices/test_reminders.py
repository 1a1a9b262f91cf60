"""What people still owe a release is told to them, once it is late."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.releases.checklists import a_checked_plan
from tests.releases.notices.scenes import Told, at, comms, running
from tests.releases.plans import NOON
from watership.releases.facts import opening
from watership.releases.journal import Fold
from watership.releases.notices.issues import reminders
from watership.releases.notices.notice import Issue
from watership.releases.order import Release
from watership.releases.readiness.standing import standing
from watership.releases.smoke import Smoke
from watership.releases.status import status_of

PLAN = a_checked_plan()
RELEASE = Release(plan=PLAN, signoffs=(), scripts=(), smoke=Smoke(), zero=NOON)


def owed(before: timedelta, *lacking: str) -> list[Issue]:
    """What is still owed so long before T+0, while nothing is on record."""
    now = NOON - before
    items = standing(PLAN.checklist, (), build=PLAN.next.build.digest, now=now, zero=NOON)
    status = status_of(Fold(position=opening(RELEASE)), RELEASE)
    return list(reminders(RELEASE, status, lacking, items, now))


def test_what_is_late_of_one_moment_is_one_issue_that_names_how_many_and_the_first() -> None:
    assert [issue.key for issue in owed(timedelta(hours=25))] == []
    (guide,) = owed(timedelta(hours=23))
    (known,) = [item for section in PLAN.checklist for item in section.items if item.id == "guide"]
    assert (guide.key, guide.title) == ("late/T-24h", "An item of T-24h is late")
    assert guide.symptoms == (f"{known.number} {known.title} ({known.owner})",)
    assert [issue.key for issue in owed(timedelta(hours=3))] == ["late/T-24h", "late/T-4h"]


def test_ninety_late_items_are_one_page_and_one_message_that_it_is_over() -> None:
    section = PLAN.checklist[0]
    many = tuple(
        replace(section.items[0], id=f"i{number}", number=number, by=-3600.0) for number in range(1, 91)
    )
    plan = replace(PLAN, checklist=(replace(section, items=many),))
    release = replace(RELEASE, plan=plan)
    items = standing(plan.checklist, (), build=plan.next.build.digest, now=NOON, zero=NOON)
    status = status_of(Fold(position=opening(release)), release)
    (late,) = reminders(release, status, (), items, NOON)
    assert late.title == "90 items of T-1h are late"
    assert len(late.symptoms) == 6 and late.symptoms[-1] == "and 85 more"

    box = Told(comms())
    for issue in (late, replace(late, title="80 items of T-1h are late")):
        box.look(running(issues=(issue,)), at(1))
    box.look(running(), at(2))
    assert [each for each in box.messages if "late" in each] == [
        "issue/2.1.0-1/late/T-1h",
        "issue/2.1.0-1/late/T-1h/resolved",
    ]


def test_missing_approvals_are_an_issue_in_the_last_hour() -> None:
    assert [issue.key for issue in owed(timedelta(hours=25), "release_manager")] == []
    approvals = owed(timedelta(minutes=30), "release_manager")[-1]
    assert (approvals.key, approvals.symptoms) == ("approvals", ("release_manager",))
