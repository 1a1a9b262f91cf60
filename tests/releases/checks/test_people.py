"""What is named in the plan and on record of it: seats, calls, approvals, the decision, and the ticket."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.checklist.desk import LEAD, SIGNED, Desk, Said
from tests.checklist.world import World
from tests.releases.checks.looks import worded
from watership.releases.book.paper import PAPERS
from watership.releases.book.quantity import Given
from watership.releases.book.shelf import find
from watership.releases.book.system import System
from watership.releases.plan import Plan, fingerprint
from watership.releases.readiness.checklist import Point
from watership.releases.readiness.records import Decided, Declined, Record
from watership.releases.verdict import Verdict
from watership.testing.receivers import SmtpReceiver
from watership.testing.standin import Answer, StandIn

PASSED, FAILED, UNKNOWN = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE

NOW = datetime.now(UTC)


@dataclass
class Team:
    """A world in which only people are looked at."""

    world: World
    desk: Desk

    def says(self, check: str, **parameters: Given) -> tuple[Verdict, str]:
        point = Point(id="it", text="it", check=check, parameters=parameters)
        (got,) = self.world.measure([("item/it", point)]).values()
        return got.verdict, worded(got)

    def plans(self, **changes: Any) -> None:
        self.world.plan = replace(self.world.plan, **changes)

    def keeps(self) -> None:
        """What is on record stays as it is, whatever is planned from now on."""
        there = self.world.records(self.world.plan)
        self.world.records = lambda plan: there

    def adds(self, *more: Record) -> None:
        """Something is put on record after all the rest."""
        before = self.world.records

        def records(plan: Plan) -> Said:
            there = before(plan)
            assert isinstance(there, Said)
            return Said([*there.said, *more])

        self.world.records = records


@pytest.fixture
def team(tmp_path: Path) -> Team:
    world = World(tmp_path)
    desk = Desk(world)
    world.plan, world.records = desk.plan(), desk.records
    world.write("secrets/phone", "+49 (151) 2345-6789").chmod(0o600)
    return Team(world, desk)


def has(got: tuple[Verdict, str], verdict: Verdict, words: str = "") -> None:
    assert (got[0], words in got[1]) == (verdict, True), got


def test_a_matrix_has_levels_of_their_own(team: Team) -> None:
    asked: dict[str, Given] = {"levels": 3, "triggers": 5}
    has(team.says("escalation.matrix", **asked), PASSED)
    plan = team.world.plan.escalation
    assert plan is not None
    first, second, third = plan.levels
    for levels, words in (
        ((first, second), "2 levels, 3 are wanted"),
        ((first, second, replace(third, seat="nobody")), "nobody, who is no contact"),
        ((first, second, replace(third, powers=())), "level 3 may do nothing"),
        ((first, second, replace(third, seat=first.seat)), "two levels are of one seat"),
        ((first, second, replace(third, after=second.after)), "called at one time"),
    ):
        team.plans(escalation=replace(plan, levels=levels))
        has(team.says("escalation.matrix", **asked), FAILED, words)
    team.plans(escalation=None)
    has(team.says("escalation.matrix", **asked), FAILED, "no escalation")


def test_three_people_are_on_call(team: Team) -> None:
    has(team.says("rota.seats"), PASSED)
    has(team.says("rota.named", seat="primary"), PASSED, "Mona Monitor")
    with team.desk.but(people={"operations": "mona monitor"})():
        has(team.says("rota.seats"), FAILED, "mona monitor sits on two seats")
    has(team.says("rota.named", seat="tertiary"), UNKNOWN, "Nobody is on call as")
    rota = team.world.plan.on_call
    assert rota is not None
    team.plans(on_call=replace(rota, manager="monitoring"))
    has(team.says("rota.seats"), FAILED, "one seat is on call twice")
    team.plans(on_call=replace(rota, manager="cto"))
    has(team.says("rota.seats"), FAILED, "cto is no contact")
    has(team.says("rota.named", seat="manager"), FAILED, "Nobody is named as manager")
    team.plans(on_call=None)
    has(team.says("rota.seats"), UNKNOWN, "no on-call rota")
    has(team.says("rota.named", seat="primary"), UNKNOWN, "no on-call rota")


def test_an_address_is_one_that_takes_something(team: Team) -> None:
    with SmtpReceiver() as server:
        team.world.systems["mail"] = System(url=server.url, facts={"sender": "releases@company.com"})
        has(team.says("contacts.verified", mail="mail"), PASSED)
        contacts = team.world.plan.contacts
        for changes, words in (
            ({"phone": ""}, "there are not two addresses"),
            ({"phone": "env:WATERSHIP_NO_SUCH_PHONE"}, "WATERSHIP_NO_SUCH_PHONE"),
            ({"person": ""}, "nobody is named"),
            ({"email": "reject@company.com"}, "reject@company.com is refused"),
        ):
            team.plans(contacts=(*contacts[:-1], replace(contacts[-1], **changes)))
            has(team.says("contacts.verified", mail="mail"), FAILED, words)
        team.plans(contacts=contacts)
        team.world.write("secrets/phone", "extension 12")
        verdict, words = team.says("contacts.verified", mail="mail")
        assert verdict is FAILED and "holds no telephone number" in words and "extension" not in words
        team.plans(contacts=())
        has(team.says("contacts.verified", mail="mail"), FAILED, "names no contacts")


def test_the_roll_call_is_for_this_build(team: Team) -> None:
    has(team.says("team.confirmed"), PASSED)
    following = team.world.plan.next
    team.keeps()
    team.plans(next=replace(following, build=replace(following.build, digest="sha256:another")))
    has(team.says("team.confirmed"), FAILED, "deployment_lead has not answered")


def test_an_approval_counts_for_this_plan_and_until_it_is_taken_back(team: Team) -> None:
    has(team.says("approval.given", role="technical_lead"), PASSED, "Theo Lead")
    has(team.says("approval.given", role="cook"), FAILED, "asks for no sign-off of cook")
    with team.desk.but(signed={"technical_lead": None})():
        has(team.says("approval.given", role="technical_lead"), UNKNOWN, "not given")
    with team.desk.but(signed={"technical_lead": "Rita Release"})():
        has(team.says("approval.given", role="technical_lead"), FAILED, "one person, one role")
    mark = fingerprint(team.world.plan)
    team.adds(Declined(fingerprint=mark, role="technical_lead", person="Theo Lead", reason="no", at=NOW))
    has(team.says("approval.given", role="technical_lead"), FAILED, "refused by Theo Lead: no")
    team.keeps()
    team.plans(starter="Somebody Else")
    has(team.says("approval.given", role="security_lead"), FAILED, "for another plan")


def decided(plan: Plan, **changes: Any) -> Decided:
    given: dict[str, Any] = {
        "decision": "go",
        "fingerprint": fingerprint(plan),
        "person": LEAD,
        "role": "deployment_lead",
        "reason": "All is well.",
        "at": datetime.now(UTC),
    }
    return Decided(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "documented", "authorised", "timely"),
    [
        ({}, PASSED, PASSED, PASSED),
        ({"decision": "no_go", "reason": "a stale backup"}, FAILED, PASSED, PASSED),
        ({"reason": "ok"}, FAILED, PASSED, PASSED),
        ({"person": "Somebody Else"}, PASSED, FAILED, PASSED),
        ({"role": "qa"}, PASSED, FAILED, PASSED),
        ({"at": NOW + timedelta(minutes=50)}, PASSED, PASSED, FAILED),
        ({"at": NOW - timedelta(hours=2, minutes=30)}, PASSED, PASSED, FAILED),
    ],
)
def test_a_decision_has_a_reason_an_author_and_a_time(
    team: Team, changes: dict[str, Any], documented: Verdict, authorised: Verdict, timely: Verdict
) -> None:
    team.adds(decided(team.world.plan, **changes))
    has(team.says("decision.documented"), documented)
    has(team.says("decision.authorised"), authorised)
    has(team.says("decision.timely"), timely)


def test_where_nobody_has_the_seat_it_is_not_known_who_may_decide(team: Team) -> None:
    team.adds(decided(team.world.plan))
    with team.desk.but(people={"deployment_lead": ""})():
        team.adds(decided(team.world.plan))
        has(team.says("decision.authorised"), UNKNOWN, "does not name whose seat that is")
        team.adds(decided(team.world.plan, role="qa"))
        has(team.says("decision.authorised"), FAILED, "decides no GO or NO-GO")


def test_who_signs_after_the_decision_was_not_heard(team: Team) -> None:
    now = datetime.now(UTC)  # the team signed two hours before this moment
    team.adds(decided(team.world.plan, at=now - timedelta(hours=1, minutes=50)))
    has(team.says("decision.timely", within=4 * 3600.0), PASSED)
    team.adds(decided(team.world.plan, at=now - timedelta(hours=2, minutes=30)))
    has(team.says("decision.timely", within=4 * 3600.0), FAILED, "signed only after it")


def test_without_a_decision_about_this_plan_nothing_is_known(team: Team) -> None:
    team.world.records = lambda plan: Said([decided(plan, fingerprint="another")])
    for check in ("decision.documented", "decision.authorised", "decision.timely"):
        has(team.says(check), UNKNOWN, "Nobody has decided")
    with StandIn() as jira:
        team.world.systems["jira"] = System(url=jira.url, facts={"ticket": "REL-1"})
        has(team.says("jira.decision", of="jira"), UNKNOWN, "Nobody has decided")
        has(team.says("jira.approvals", of="jira"), UNKNOWN, "No approval is given")


def test_every_point_that_is_due_was_looked_at(team: Team) -> None:
    has(team.says("checklist.reviewed", by="T+0m"), PASSED)
    has(team.says("checklist.reviewed", by="T-48h"), FAILED, "Nothing of the checklist is due")
    with team.desk.but(silent={"dashboards/overview", "authority/by"})():
        verdict, words = team.says("checklist.reviewed", by="T+0m")
        assert verdict is FAILED and "dashboards/overview is open" in words and "authority" not in words


def test_an_exercise_is_judged_by_the_plan(team: Team) -> None:
    asked: dict[str, Given] = {"path": "exercise.json", "younger_than": 90 * 86400.0}
    has(team.says("escalation.practiced", **asked), FAILED, "no exercise is on record")

    def held(
        after: Sequence[float],
        *,
        days: float = 5,
        answered: bool = True,
        apart: bool = True,
        scenario: str = "It burns.",
    ) -> None:
        reached = [
            {"level": level, "person": f"P{level if apart else ''}", "after": seconds, "answered": answered}
            for level, seconds in enumerate(after, 1)
        ]
        told = {
            "schema": "watership/exercise/v1",
            "kind": "escalation",
            "held_at": (NOW - timedelta(days=days)).isoformat(),
            "led_by": LEAD,
            "scenario": scenario,
            "reached": reached,
        }
        team.world.write("exercise.json", msgspec.json.encode(told))

    held([0.0, 900.0, 1800.0])
    has(team.says("escalation.practiced", **asked), PASSED)
    for changes, words in (
        ({"after": [0.0, 900.0]}, "level 3 (VP Engineering) did not answer"),
        ({"after": [0.0, 800.0, 1800.0]}, "level 2 was called after"),
        ({"after": [901.0, 902.0, 1800.0]}, "level 1 was called after"),
        ({"after": [0.0, 900.0, 1800.0], "days": 100}, "it was held on"),
        ({"after": [0.0, 900.0, 1800.0], "days": -1}, "it was held on"),
        ({"after": [0.0, 900.0, 1800.0], "answered": False}, "did not answer"),
        ({"after": [0.0, 900.0, 1800.0], "apart": False}, "answered by one person"),
        ({"after": [0.0, 900.0, 1800.0], "scenario": ""}, "what was played"),
    ):
        held(**changes)
        has(team.says("escalation.practiced", **asked), FAILED, words)
    team.world.write("exercise.json", "{}")
    has(team.says("escalation.practiced", **asked), UNKNOWN, "is no record of an exercise")


APPROVED = "\n".join(f"{role}: {person}" for role, person in SIGNED.items())


@pytest.mark.parametrize(
    ("comments", "approvals", "decision"),
    [
        ([APPROVED, f"GO for 2.1.0 by {LEAD}"], PASSED, PASSED),
        ([APPROVED.replace("_", " ").title(), f"**GO**: 2.1.0, {LEAD}"], PASSED, PASSED),
        ([APPROVED.replace("Theo Lead", "missing"), f"NO-GO for 2.1.0 by {LEAD}"], FAILED, FAILED),
        (["We go on.", f"GO for 2.0.9 by {LEAD}"], FAILED, FAILED),
        ([], FAILED, FAILED),
    ],
)
def test_the_ticket_tells_who_approved_and_who_decided(
    team: Team, comments: list[str], approvals: Verdict, decision: Verdict
) -> None:
    told = [{"body": text} for text in comments]
    with StandIn({"GET /rest/api/3/issue/REL-1/comment": Answer({"comments": told})}) as jira:
        team.world.systems["jira"] = System(url=jira.url, facts={"ticket": "REL-1"})
        has(team.says("jira.approvals", of="jira"), approvals)
        has(team.says("jira.decision", of="jira"), decision)
    for check in ("jira.approvals", "jira.decision"):
        has(team.says(check, of="jira"), UNKNOWN, "no answer")


def test_pieces_of_a_line_are_one_line(team: Team) -> None:
    pieces = [{"type": "text", "text": "GO for 2.1.0 by "}, {"type": "text", "text": LEAD, "marks": []}]
    body = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": pieces}]}
    with StandIn({"GET /rest/api/3/issue/REL-1/comment": Answer({"comments": [{"body": body}]})}) as jira:
        team.world.systems["jira"] = System(url=jira.url, facts={"ticket": "REL-1"})
        has(team.says("jira.decision", of="jira"), PASSED)


def test_known_issues_stand_in_the_notes(team: Team) -> None:
    asked: dict[str, Given] = {
        "of": "jira",
        "jql": 'affected = "{version}"',
        "path": "notes.md",
        "section": "Known issues",
    }
    search = "POST /rest/api/3/search/jql"
    with StandIn({search: Answer({"issues": [{"key": "ORC-7"}], "isLast": True})}) as jira:
        team.world.systems["jira"] = System(url=jira.url)
        has(team.says("jira.noted", **asked), FAILED, "There is no notes.md")
        team.world.write("notes.md", "# Notes\n\n## Known issues\n\n- ORC-7: it is slow.\n")
        has(team.says("jira.noted", **asked), PASSED)
        assert b"2.1.0" in jira.asked[-1].body
        team.world.write("notes.md", "# Notes\n\n## Known issues\n\n- ORC-77: it is slow.\n")
        has(team.says("jira.noted", **asked), FAILED, "ORC-7 does not stand there")
        team.world.write("notes.md", "# Notes\n\n## Known issues\n\n")
        has(team.says("jira.noted", **asked), FAILED, "has no section")
        team.world.write("notes.md", "# Notes\n\n## Known issues\n\nNone.\n")
        jira.routes[search] = Answer({"issues": [], "isLast": False})
        has(team.says("jira.noted", **asked), UNKNOWN, "More than 100 issues")
        jira.routes[search] = Answer({"issues": [], "isLast": True})
        has(team.says("jira.noted", **asked), PASSED)
        jira.routes[search] = Answer({"errorMessages": ["bad jql"]}, 400)
        has(team.says("jira.noted", **asked), UNKNOWN, "400")


@pytest.mark.parametrize("form", ["checklist", "cutover"])
def test_what_is_printed_is_what_was_planned(team: Team, form: str) -> None:
    asked: dict[str, Given] = {"path": "printed.md", "form": form}
    has(team.says("runbook.rendered", **asked), FAILED, "There is no printed.md")
    text = PAPERS[form](find("agent-orchestrator"))
    team.world.write("printed.md", text)
    has(team.says("runbook.rendered", **asked), PASSED)
    team.world.write("printed.md", text.rstrip() + "\n\none more line\n")
    has(team.says("runbook.rendered", **asked), FAILED, f"from line {len(text.splitlines()) + 1} on")
    team.world.write("printed.md", "")
    has(team.says("runbook.rendered", **asked), FAILED, "from line 1 on")
    has(team.says("runbook.rendered", path="printed.md", form="poem"), UNKNOWN, "not rendered as 'poem'")
    team.plans(runbook_sha256="another")
    has(team.says("runbook.rendered", **asked), UNKNOWN, "not the one that was planned")


def test_a_runbook_of_ones_own_is_looked_for_where_it_belongs(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(team.world.root)
    with resources.as_file(resources.files("watership") / "runbooks" / "agent-orchestrator") as shipped:
        shutil.copytree(shipped, "runbooks/agent-orchestrator")
    own = Path("runbooks/agent-orchestrator/team.yaml")
    own.write_text(
        own.read_text().replace("seat: deployment_lead, title", "seat: deployment_lead, person: Dora, title")
    )
    source = find("runbooks/agent-orchestrator")
    team.plans(runbook_sha256=source.sha256)
    team.world.write("printed.md", PAPERS["checklist"](source))
    has(team.says("runbook.rendered", path="printed.md", form="checklist"), PASSED)
