"""Whoever decides has to be there while it matters: on the rota now, and somebody who answers."""

from __future__ import annotations

from datetime import timedelta

from watership.errors import BadInput
from watership.releases.book.quantity import spoken
from watership.releases.checks.acknowledgements import reached
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.pagerduty import gap, oncalls
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed
from watership.releases.readiness import go


@check(
    "decision.available",
    adapted=True,
    good_for="1h",
    fix="Put who decides on the rota until the deployment is over, and send them a test incident.",
)
async def available(scene: Scene, *, of: str, until: float, answered: float) -> Finding:
    """Who decides GO or NO-GO is on the rota of those who decide (the fact `deciders` of `of`, an escalation policy)
    at every moment from now for `until`, by name, and has acknowledged an incident by telephone or SMS within
    `answered`."""
    contacts = {each.seat: each for each in scene.plan.contacts}
    seats = [seat for seat in go.deciders(scene.plan) if seat in contacts]
    if not seats:
        return failed("Nobody among the contacts may decide.")
    now, there = scene.now(), await reached(scene, of, answered)
    end = now + timedelta(seconds=until)
    shifts = await oncalls(scene, of, scene.fact(of, "deciders"), now, end)
    wrong = []
    for seat in seats:
        person = contacts[seat].person
        if not person:
            raise BadInput(f"Nobody is named as {seat}.", fix="Name the person in team.yaml.")
        own = [each for each in shifts if each.user.summary.casefold() == person.casefold()]
        if (free := gap(own, now, end)) is not None:
            wrong.append(f"{person} is not on the rota from {free:%Y-%m-%d %H:%M} UTC")
        if person.casefold() not in there:
            wrong.append(f"{person} has acknowledged nothing by telephone within {spoken(answered)}")
    people = ", ".join(contacts[seat].person for seat in seats)
    return judged(
        wrong, f"{people} is on the rota for {spoken(until)}, and has answered.", until=end.isoformat()
    )
