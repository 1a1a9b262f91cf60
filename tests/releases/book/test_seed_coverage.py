"""The shipped runbook covers the written one that it came from, line by line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from watership.releases.book.imported.reading import load
from watership.releases.book.imported.seed import SeedRunbook
from watership.releases.book.runbook import Runbook
from watership.releases.book.shelf import shipped
from watership.releases.checks import CHECKS
from watership.releases.readiness.checklist import Point, items_of, points_of

SEED = Path(__file__).parent / "seed" / "PRODUCTION_DEPLOYMENT_RUNBOOK.md"

MOST_ATTESTED = 140


@pytest.fixture(scope="module")
def seed() -> SeedRunbook:
    return load(SEED).runbook


@pytest.fixture(scope="module")
def book() -> Runbook:
    return shipped("agent-orchestrator").runbook


def test_every_item_has_its_title_its_points_and_its_verification(seed: SeedRunbook, book: Runbook) -> None:
    ours = {item.number: item for item in items_of(book.checklist)}

    assert sorted(ours) == [item.number for item in seed.items]
    for item in seed.items:
        there = ours[item.number]
        assert there.title.casefold() == item.title.casefold(), item.number
        assert [point.text for point in there.points] == list(item.points), item.number
        assert item.verification is not None and there.verification == item.verification.text.strip("`"), (
            item.number
        )


def test_most_points_are_measured_and_the_share_is_told(book: Runbook) -> None:
    how = Counter(known_by(point) for _, point in points_of(book.checklist))
    total = how.total()
    print("; ".join(f"{way} {number} ({number / total:.0%})" for way, number in sorted(how.items())))  # noqa: T201 - with pytest -s

    assert total == 357
    assert how["attested"] <= MOST_ATTESTED


def known_by(point: Point) -> str:
    if point.check is None:
        return "attested"
    return "adapted" if CHECKS[point.check].adapted else "checked"


def test_why_a_person_attests_a_point_is_said_of_that_point(book: Runbook) -> None:
    reasons = Counter(point.attest for _, point in points_of(book.checklist) if point.attest)

    assert [reason for reason, times in reasons.items() if times > 1] == []


def test_every_step_of_the_timeline_is_done_by_an_item(seed: SeedRunbook, book: Runbook) -> None:
    covered = [line for phase in book.phases for item in phase.items for line in item.covers]
    steps = [f"T+{step.at / 60:.0f} min: {step.text}" for phase in seed.phases for step in phase.steps]
    before = [
        f"T-{-each.at / 3600:.0f}h: {duty}"
        for phase in seed.phases
        for each in phase.preparations
        for duty in each.duties
    ]

    assert len(steps) == 38
    assert sorted(covered) == sorted([*steps, *before])


def test_seven_phases_follow_one_another_as_they_were_written(seed: SeedRunbook, book: Runbook) -> None:
    assert [phase.number for phase in book.phases] == [phase.number for phase in seed.phases]
    for ours, theirs in zip(book.phases, seed.phases, strict=True):
        assert ours.at == theirs.window.start, ours.id


def test_every_seat_has_its_responsibilities_and_duties(seed: SeedRunbook, book: Runbook) -> None:
    for theirs, ours in zip(seed.roles, book.roles, strict=True):
        assert (ours.responsibilities, ours.before, ours.during, ours.after) == (
            theirs.responsibilities,
            theirs.before,
            theirs.during,
            theirs.after,
        ), ours.id


def test_contacts_levels_and_triggers_are_those_of_the_document(seed: SeedRunbook, book: Runbook) -> None:
    assert book.escalation is not None

    assert [contact.title for contact in book.contacts] == [contact.seat for contact in seed.contacts]
    assert [(level.title, level.after, level.powers) for level in book.escalation.levels] == [
        (level.who, level.window.start, level.powers) for level in seed.levels
    ]
    assert book.escalation.triggers == seed.triggers


def test_each_rollback_criterion_is_a_fuse_of_its_class(seed: SeedRunbook, book: Runbook) -> None:
    ours = {fuse.criterion: fuse.then for fuse in book.fuses}
    classes = dict(
        zip((each.title for each in seed.criteria), ("roll_back", "page", "investigate"), strict=True)
    )

    wanted = {line: classes[each.title] for each in seed.criteria for line in each.criteria}
    assert len(wanted) == 19
    assert ours == wanted


def test_each_rollback_authority_has_its_power(seed: SeedRunbook, book: Runbook) -> None:
    powers = {
        "On-call monitoring engineer": ("monitoring", "roll_back_on_criteria"),
        "Deployment lead": ("deployment_lead", "roll_back_on_criteria"),
        "Incident commander": ("incident_commander", "roll_back_on_criteria"),
        "Product manager (business decision)": ("product_manager", "roll_back_by_decision"),
        "Engineering lead": ("engineering_lead", "roll_back_by_decision"),
        "CTO/VP Engineering (executive decision)": ("executive", "roll_back_by_decision"),
    }

    assert [holder for each in seed.authorities for holder in each.holders] == list(powers)
    for role, power in powers.values():
        assert power in book.may(role), role


def test_the_approvals_and_the_lines_of_go_and_no_go_are_asked_for(seed: SeedRunbook, book: Runbook) -> None:
    titles = [book.signoffs.titles[role] for role in book.signoffs.needed]

    assert titles == [each.role for each in seed.approvals]
    assert tuple(condition.text for condition in book.go_no_go) == seed.go
    assert list(book.no_go_record) == [line.partition(": ___")[0] for line in seed.no_go]


def test_each_validation_after_the_deployment_is_looked_at_in_its_time(
    seed: SeedRunbook, book: Runbook
) -> None:
    for ours, theirs in zip(book.validations, seed.validations, strict=True):
        assert [point.text for point in ours.points] == list(theirs.points), ours.id
        assert (ours.begins, ours.ends) == (theirs.window.start, theirs.window.end), ours.id
        assert ours.command == theirs.command, ours.id


def test_each_template_has_its_message(seed: SeedRunbook, book: Runbook) -> None:
    assert len(seed.templates) == 4
