"""What receivers were told of releases, read from what came over the wire: each message by its id, in its channel."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from tests.checklist.desk import LEAD, SIGNED
from tests.journeys.attendance import Desks
from watership.releases.book.shelf import shipped
from watership.releases.readiness.checklist import items_of
from watership.testing.receivers.smtp import Mail

PROMOTED: Final = "r1"
REFUSED: Final = ("stale", "moved")
"""Releases that the people of a whole go-live drew and began."""

SLOT: Final = re.compile(r"status/\d{4}-\d\d-\d\dT[\d:.]+Z")
DECIDED: Final = re.compile(rf"decided/{PROMOTED}/[\dT:Z-]+")
ISSUE: Final = re.compile(r"issue/(?P<release>[a-z0-9]+)/(?P<about>.+?)(?P<over>/resolved)?")

INCIDENT: Final = re.compile(r"(?:incident|escalation)/(?P<incident>INC-\d+)(?:/.+)?")

QUARTER: Final = timedelta(minutes=15)


def everybody_was_told(desks: Desks, opened: Collection[str] = ()) -> None:
    """Each kind of message reached whom it is for, in a form that they take, once; and nothing else did.

    `opened`: incidents that are on record, which a machine that is too busy for its SLA may bring about."""
    for receiver in desks.everybody():
        assert [(each.path, each.problem) for each in receiver.refused] == [], receiver.name
    in_the_room = slack(desks)
    the_room_was_told(in_the_room, opened)
    the_mails_are_announcements_and_the_end(desks.mail.received, opened)
    the_public_saw_a_maintenance_of_each(desks, in_the_room, opened)
    the_pager_rang_for_issues(desks, in_the_room)
    the_ticket_has_approvals_decision_and_end(desks)
    programs_heard_of_the_end(desks)


def slack(desks: Desks) -> list[str]:
    """The ids at the foot of each message of the room."""
    ids = [str(each.body["blocks"][-1]["elements"][0]["text"]) for each in desks.slack.received]
    assert twice(ids) == []
    return ids


def twice(ids: Iterable[str]) -> list[str]:
    return [each for each, times in Counter(ids).items() if times > 1]


def the_room_was_told(ids: list[str], opened: Collection[str]) -> None:
    once = {
        *(f"incident/{each}" for each in opened),
        *(f"announce/{name}/T-24h" for name in (*REFUSED, PROMOTED)),
        *(f"status/{name}/ended" for name in (*REFUSED, PROMOTED)),
        f"status/{PROMOTED}/promoted",
        f"success/{PROMOTED}",
    }
    assert once <= set(ids)
    others = [each for each in ids if each not in once]
    assert sum(DECIDED.fullmatch(each) is not None for each in others) == 1
    assert len(slots(ids)) >= 5
    forms = (SLOT, DECIDED, ISSUE, INCIDENT)
    strange = [each for each in others if not any(form.fullmatch(each) for form in forms)]
    assert strange == [], "nobody was to be told of that"
    assert {found["incident"] for each in ids if (found := INCIDENT.fullmatch(each))} == set(opened)
    issues_are_of_these_releases(ids)


def slots(ids: Iterable[str]) -> list[str]:
    """The statuses of the running release: one for every quarter of an hour since T+0."""
    found = sorted(each for each in ids if SLOT.fullmatch(each))
    times = [datetime.fromisoformat(each.removeprefix("status/")) for each in found]
    assert {after - before for before, after in pairwise(times)} <= {QUARTER}, found
    return found


def issues_are_of_these_releases(ids: Iterable[str]) -> None:
    """Items that were late, approvals that lacked, a question to a person, and what was refused."""
    late = {f"late/{item.id}" for item in items_of(shipped("agent-orchestrator").runbook.checklist)}
    for each in ids:
        if (found := ISSUE.fullmatch(each)) is not None:
            about = found["about"]
            assert found["release"] in (*REFUSED, PROMOTED), each
            assert about in late | {"approvals", "refused"} or about.startswith("asks/"), each
    assert {f"issue/{name}/refused" for name in REFUSED} <= set(ids)
    assert f"issue/{PROMOTED}/refused" not in ids


def the_mails_are_announcements_and_the_end(mails: list[Mail], opened: Collection[str]) -> None:
    assert twice(str(each.message["Message-ID"]) for each in mails) == []
    for mail in mails:
        assert (mail.sender, mail.recipients) == ("releases@company.com", ("production-team@company.com",))
        assert mail.message["Date"] and mail.subject in str(mail.message["Subject"])
        assert mail.text().strip() and "<" in mail.text("html")
    about = {each: [mail for mail in mails if f"Incident {each}" in mail.subject] for each in opened}
    assert all(about.values())
    of_incidents = [mail for found in about.values() for mail in found]
    subjects = [mail.subject.partition("2.1.0")[2] for mail in mails if mail not in of_incidents]
    *announced, ended = subjects
    assert len(announced) == 3 and all(each.startswith(" — ") for each in announced), subjects
    assert ended == " is live in rehearsal"


def the_public_saw_a_maintenance_of_each(
    desks: Desks, in_the_room: list[str], opened: Collection[str]
) -> None:
    """What the room was told of the course of things, and nothing of what went wrong inside."""
    page = {each["metadata"]["watership"]["thread"]: each for each in desks.statuspage.incidents}
    releases = {f"release/{name}" for name in (*REFUSED, PROMOTED)}
    assert set(page) == releases | {f"incident/{each}" for each in opened}
    assert len(desks.statuspage.incidents) == len(page)
    for thread, entry in page.items():
        assert twice(each["body"] for each in entry["incident_updates"]) == []
        assert entry["status"] == "completed" or thread not in releases
    for name in REFUSED:
        assert len(page[f"release/{name}"]["incident_updates"]) == 2  # announced, and refused
    public = ("announce/", "status/", "success/")
    course = [each for each in in_the_room if each.startswith(public) and each.split("/")[1] not in REFUSED]
    assert len(page[f"release/{PROMOTED}"]["incident_updates"]) == len(course)


def the_pager_rang_for_issues(desks: Desks, in_the_room: list[str]) -> None:
    """For each of which the room was told, once, and it was resolved when it was over."""
    actions: dict[str, list[str]] = defaultdict(list)
    for each in desks.pagerduty.received:
        about = each.body["dedup_key"].removeprefix("watership/")
        if not INCIDENT.fullmatch(about):
            actions[about].append(each.body["event_action"])
    told = {each for each in in_the_room if each.startswith("issue/")}
    assert set(actions) == {each for each in told if not each.endswith("/resolved")}
    for issue, done in actions.items():
        assert done == (["trigger", "resolve"] if f"{issue}/resolved" in told else ["trigger"]), issue
    states = desks.pagerduty.incidents
    still = {each for each, state in states.items() if state != "resolved" and "/issue/" in each}
    assert still == {f"watership/issue/{name}/refused" for name in REFUSED}
    known = {each.removeprefix("watership/incident/") for each in states if "/incident/" in each}
    assert known == {found["incident"] for each in in_the_room if (found := INCIDENT.fullmatch(each))}


def the_ticket_has_approvals_decision_and_end(desks: Desks) -> None:
    """By what stands there now, which is what the checks of items 56 and 59 were shown."""
    comments = {}
    for comment in desks.jira.shown("2"):
        (identity,) = re.findall(r"^Notice (\S+)$", comment["body"], re.MULTILINE)
        assert identity not in comments
        comments[identity] = comment["body"]
    decided = next((each for each in comments if DECIDED.fullmatch(each)), "no decision")
    # Before it was refused for its image, the other one was approved by everybody too.
    assert set(comments) == {"approved/moved", f"approved/{PROMOTED}", decided, f"success/{PROMOTED}"}
    for role, person in SIGNED.items():
        assert f"{role}: {person}" in comments[f"approved/{PROMOTED}"]
    assert f"GO by {LEAD}" in comments[decided] and "2.1.0" in comments[decided]


def programs_heard_of_the_end(desks: Desks) -> None:
    """And nobody was called at night: nothing was CRITICAL."""
    assert desks.webhook.repeats == 0
    told = [(each.body["type"], each.body["data"]["id"]) for each in desks.webhook.received]
    assert told == [("watership.notice.success", f"success/{PROMOTED}")]
