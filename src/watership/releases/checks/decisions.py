"""Decisions are on record: approvals by role, the GO with its reason, by whom and when, and what it was taken on."""

from __future__ import annotations

from datetime import timedelta

from watership.releases.book.quantity import offset, spoken
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.people import recorded
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive, passed
from watership.releases.plan import fingerprint
from watership.releases.readiness import go
from watership.releases.readiness.records import Decided, Declined, standing_signoffs
from watership.releases.readiness.signoff import NOT_GIVEN, SignOff, missing
from watership.releases.readiness.standing import standing

DECIDE = "watership gate decide go|no-go --reason …"

NOBODY = "Nobody has decided about this very plan."

WORDS = 2
"""Of a reason, at least: who reads it later was not there."""


@check("approval.given", good_for="4h", fix="watership signoff give --role ROLE --as NAME")
async def given(scene: Scene, *, role: str) -> Finding:
    """The sign-off of `role` is given for this very plan, stands, and has not expired.

    Where nobody has said anything nothing is known; one that was declined, or does not count, has failed.
    """
    lacking = {each.role: each.reason for each in missing(scene.plan, await signoffs(scene), scene.now())}
    if role not in scene.plan.signoffs.needed:
        return failed(f"The plan asks for no sign-off of {role}.")
    if role in lacking:
        words = f"The sign-off of {role}: {lacking[role]}."
        said_no = await _declined(scene, role)
        if said_no is not None:
            return failed(f"{words} {said_no.person} declined: {said_no.reason}")
        return inconclusive(words) if lacking[role] == NOT_GIVEN else failed(words)
    last = [each for each in await signoffs(scene) if each.role == role][-1]
    return passed(f"{last.person} signed as {role} at {last.at:%Y-%m-%d %H:%M} UTC.", person=last.person)


@check("decision.documented", good_for="24h", fix=DECIDE)
async def documented(scene: Scene) -> Finding:
    """GO is decided about this very plan, and it is on record why."""
    last = await decided(scene)
    if last is None:
        return inconclusive(NOBODY)
    if last.decision != "go":
        return failed(f"NO-GO by {last.person}: {last.reason}")
    good = len(last.reason.split()) >= WORDS
    return found(good, f"GO by {last.person}: {last.reason or 'without a reason'}", reason=last.reason)


@check("decision.authorised", good_for="24h", fix=DECIDE)
async def authorised(scene: Scene) -> Finding:
    """Who decided may decide, and is whom the plan's contacts name for that seat. Where nobody is named for it, anybody
    could have said so: nothing is known."""
    last = await decided(scene)
    if last is None:
        return inconclusive(NOBODY)
    if last.role not in go.deciders(scene.plan):
        return failed(f"{last.person} has decided as {last.role}, which decides no GO or NO-GO.")
    seat = next((each.person for each in scene.plan.contacts if each.seat == last.role), "")
    if not seat:
        return inconclusive(
            f"{last.person} has decided as {last.role}, and the plan does not name whose seat that is."
        )
    words = f"{last.person} has decided as {last.role}"
    good = seat.casefold() == last.person.casefold()
    return found(good, f"{words}." if good else f"{words}, whose seat is {seat}'s.", person=last.person)


@check("decision.timely", good_for="24h", fix=DECIDE)
async def timely(scene: Scene, *, within: float = 3600.0) -> Finding:
    """It was decided after the last approval, `within` that time of T+0, and not ahead of the clock."""
    last = await decided(scene)
    if last is None:
        return inconclusive(NOBODY)
    wrong = []
    late = [each for each in await signoffs(scene) if each.at > last.at]
    if late:
        wrong.append(f"{late[0].person} signed only after it, at {late[0].at:%H:%M}")
    if last.at > scene.now():
        wrong.append("it lies in the future")
    if abs(last.at - scene.release.zero) > timedelta(seconds=within):
        wrong.append(f"it was not within {spoken(within)} of T+0 ({scene.release.zero:%Y-%m-%d %H:%M} UTC)")
    return judged(wrong, f"Decided at {last.at:%Y-%m-%d %H:%M:%S} UTC.", at=last.at.isoformat())


@check("checklist.reviewed", good_for="24h", fix="watership check list --due")
async def reviewed(scene: Scene, *, by: str) -> Finding:
    """Of each point that is due `by` a moment of the calendar somebody or something has spoken, and it counts still."""
    moment, plan = offset(by), scene.plan
    due = {item.id for section in plan.checklist for item in section.items if item.by <= moment}
    if not due:
        return failed(f"Nothing of the checklist is due by {by}.")
    stand = standing(plan.checklist, await recorded(scene), build=plan.next.build.digest, now=scene.now())
    points = [point for item in stand if item.id in due for point in item.points]
    silent = [f"{point.key} is {point.state}" for point in points if point.state in ("open", "expired")]
    return judged(silent, f"{len(points)} points of {len(due)} items were looked at.", points=len(points))


async def _declined(scene: Scene, role: str) -> Declined | None:
    """Who has declined to sign this very plan in that role last."""
    mark = fingerprint(scene.plan)
    said = [each for each in await recorded(scene) if isinstance(each, Declined)]
    return next((each for each in said[::-1] if (each.role, each.fingerprint) == (role, mark)), None)


async def signoffs(scene: Scene) -> tuple[SignOff, ...]:
    """The sign-offs that stand."""
    return standing_signoffs(scene.release.signoffs, await recorded(scene))


async def decided(scene: Scene) -> Decided | None:
    return go.decision(scene.plan, await recorded(scene))
