"""A sign-off is one person's word, in one role, for one fingerprint, until it expires."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from watership.errors import NotAllowed
from watership.releases.plan import Plan, fingerprint


class SignOff(Struct, frozen=True, kw_only=True):
    """Given at `at` for the plan with `fingerprint`."""

    fingerprint: str
    role: str
    person: str
    at: datetime


NOT_GIVEN: Final = "not given"
"""The reason of a role in which nobody has said anything yet."""


class Missing(Struct, frozen=True, kw_only=True):
    """A role whose sign-off does not count, and why. `refused`: somebody has said no."""

    role: str
    reason: str
    refused: bool = False


class Unsigned(NotAllowed):
    """A sign-off cannot be given like this."""

    code = "unsigned"


def missing(plan: Plan, signoffs: Sequence[SignOff], now: datetime) -> list[Missing]:
    """The roles that still have to sign, in the plan's order; empty when the plan may start."""
    found: list[Missing] = []
    counted: list[SignOff] = []
    for role in plan.signoffs.needed:
        given = [signoff for signoff in signoffs if signoff.role == role]
        faults = [fault(plan, signoff, counted, now) for signoff in given]
        good = [signoff for signoff, wrong in zip(given, faults, strict=True) if wrong is None]
        if good:
            counted.append(good[-1])
        else:
            found.append(
                Missing(role=role, reason=next((wrong for wrong in faults[::-1] if wrong), NOT_GIVEN))
            )
    return found


def sign(plan: Plan, signoffs: Sequence[SignOff], signoff: SignOff) -> tuple[SignOff, ...]:
    """Add a sign-off to those given. Raises Unsigned when it would not count."""
    if signoff.role not in plan.signoffs.needed:
        needed = ", ".join(plan.signoffs.needed)
        raise Unsigned(f"The plan needs no sign-off of '{signoff.role}'.", fix=f"It needs: {needed}.")
    others = [other for other in signoffs if fault(plan, other, (), signoff.at) is None]
    wrong = fault(plan, signoff, others, signoff.at)
    if wrong is not None:
        raise Unsigned(f"The sign-off of {signoff.person} as {signoff.role} does not count: {wrong}.")
    return (*signoffs, signoff)


def fault(plan: Plan, signoff: SignOff, others: Sequence[SignOff], now: datetime) -> str | None:
    """Why a sign-off does not count beside `others`, or None."""
    rules, person = plan.signoffs, _same(signoff.person)
    if not person:
        return "it names no person"
    if signoff.fingerprint != fingerprint(plan):
        return "it was given for another plan"
    if signoff.at > now:
        return "it lies in the future"
    if now - signoff.at > timedelta(seconds=rules.expires):
        return "it has expired"
    if not rules.starter_may_sign and person == _same(plan.starter):
        return "whoever starts a release cannot sign it"
    if rules.one_person_one_role:
        for other in others:
            if _same(other.person) == person and other.role != signoff.role:
                return f"{signoff.person} has signed as {other.role}: one person, one role"
    return None


def _same(person: str) -> str:
    """A person's name without the differences that would make two people of one."""
    return " ".join(person.split()).casefold()
