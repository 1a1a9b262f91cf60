"""A sign-off counts for one plan, by one person, in one role, for a time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.releases.plans import NOON, a_plan
from watership.releases.plan import Plan, fingerprint
from watership.releases.readiness.signoff import SignOff, Unsigned, missing, sign

PLAN = a_plan()


def word(role: str, person: str, plan: Plan = PLAN, *, minutes: int = 0) -> SignOff:
    return SignOff(
        fingerprint=fingerprint(plan), role=role, person=person, at=NOON + timedelta(minutes=minutes)
    )


def all_signed(plan: Plan = PLAN) -> tuple[SignOff, ...]:
    return tuple(word(role, f"person {at}", plan) for at, role in enumerate(plan.signoffs.needed))


def reasons(plan: Plan, *signoffs: SignOff, hours: float = 1) -> dict[str, str]:
    return {gap.role: gap.reason for gap in missing(plan, signoffs, NOON + timedelta(hours=hours))}


def test_five_people_in_five_roles_are_enough() -> None:
    assert reasons(PLAN, *all_signed()) == {}


def test_whoever_is_missing_is_named_in_order() -> None:
    assert list(reasons(PLAN)) == list(PLAN.signoffs.needed)
    assert reasons(PLAN, *all_signed()[1:]) == {"release_manager": "not given"}


@pytest.mark.parametrize("name", ["Sam Starter", "sam starter ", "SAM  STARTER"])
def test_the_starter_cannot_sign(name: str) -> None:
    signed = (word("release_manager", name), *all_signed()[1:])
    assert reasons(PLAN, *signed) == {"release_manager": "whoever starts a release cannot sign it"}
    with pytest.raises(Unsigned, match="whoever starts"):
        sign(PLAN, (), signed[0])


def test_one_person_has_one_role() -> None:
    signed = (*all_signed()[:4], word("operations_manager", "PERSON 0"))
    assert list(reasons(PLAN, *signed)) == ["operations_manager"]
    with pytest.raises(Unsigned, match="one person, one role"):
        sign(PLAN, all_signed()[:4], signed[-1])


def test_a_changed_plan_voids_every_sign_off() -> None:
    changed = replace(PLAN, release="2.1.0-2")
    assert set(reasons(changed, *all_signed()).values()) == {"it was given for another plan"}


def test_a_sign_off_expires() -> None:
    assert reasons(PLAN, *all_signed(), hours=24) == {}
    assert set(reasons(PLAN, *all_signed(), hours=24.01).values()) == {"it has expired"}


def test_a_sign_off_from_the_future_does_not_count() -> None:
    signed = (word("release_manager", "person 0", minutes=61), *all_signed()[1:])
    assert reasons(PLAN, *signed) == {"release_manager": "it lies in the future"}


def test_a_name_is_needed() -> None:
    assert reasons(PLAN, word("release_manager", "  "), *all_signed()[1:]) == {
        "release_manager": "it names no person"
    }


def test_a_new_word_replaces_one_that_does_not_count() -> None:
    stale = word("release_manager", "person 0", replace(PLAN, release="old"))
    assert reasons(PLAN, stale, *all_signed()) == {}


def test_a_role_that_is_not_asked_cannot_sign() -> None:
    with pytest.raises(Unsigned, match="needs no sign-off of 'qa'"):
        sign(PLAN, (), word("qa", "Quinn"))


def test_signing_adds_to_what_was_signed() -> None:
    signed: tuple[SignOff, ...] = ()
    for each in all_signed():
        signed = sign(PLAN, signed, each)
    assert signed == all_signed()
