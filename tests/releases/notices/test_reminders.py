"""What people still owe a release is told to them, once it is late."""

from __future__ import annotations

from datetime import timedelta

from tests.releases.checklists import a_checked_plan
from tests.releases.plans import NOON
from watership.releases.facts import opening
from watership.releases.journal import Fold
from watership.releases.notices.issues import reminders
from watership.releases.notices.notice import Issue
from watership.releases.order import Release
from watership.releases.readiness.standing import standing
from watership.releases.smoke import Smoke
from watership.releases.status import told

PLAN = a_checked_plan()
RELEASE = Release(plan=PLAN, signoffs=(), scripts=(), smoke=Smoke(), zero=NOON)


def owed(before: timedelta, *lacking: str) -> list[Issue]:
    """What is still owed so long before T+0, while nothing is on record."""
    now = NOON - before
    items = standing(PLAN.checklist, (), build=PLAN.next.build.digest, now=now, zero=NOON)
    status = told(Fold(position=opening(RELEASE)), RELEASE)
    return list(reminders(RELEASE, status, lacking, items, now))


def test_an_item_is_an_issue_from_the_moment_it_is_late_and_names_what_is_missing() -> None:
    assert [issue.key for issue in owed(timedelta(hours=25))] == []
    (guide,) = owed(timedelta(hours=23))
    assert (guide.key, guide.symptoms) == ("late/guide", ("It says how",))
    assert [issue.key for issue in owed(timedelta(hours=3))] == ["late/guide", "late/uat"]


def test_missing_approvals_are_an_issue_in_the_last_hour() -> None:
    assert [issue.key for issue in owed(timedelta(hours=25), "release_manager")] == []
    approvals = owed(timedelta(minutes=30), "release_manager")[-1]
    assert (approvals.key, approvals.symptoms) == ("approvals", ("release_manager",))
