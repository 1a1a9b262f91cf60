"""People are looked for in the plan and in the records: who is called, whether they can be, and who is there."""

from __future__ import annotations

import re
from typing import Final

from watership.errors import BadInput, WatershipError
from watership.releases.book.team import Contact, OnCall
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, passed
from watership.releases.readiness import go
from watership.releases.readiness.records import Record

NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
"""A telephone number as all networks know it (E.164); blanks, hyphens and brackets are for people."""


@check("escalation.matrix", good_for="48h", fix="Write the levels and triggers into team.yaml.")
async def matrix(scene: Scene, *, levels: int, triggers: int) -> Finding:
    """The plan escalates over `levels` levels, each with a seat of its own among the contacts, with powers, and later
    than the one before; and names `triggers` reasons to go up."""
    plan = scene.plan.escalation
    if plan is None:
        return failed("The plan has no escalation.")
    seats = {contact.seat for contact in scene.plan.contacts}
    wrong = (
        [] if len(plan.levels) >= levels else [f"there are {len(plan.levels)} levels, {levels} are wanted"]
    )
    wrong += [
        f"level {each.level} is {each.seat}, who is no contact"
        for each in plan.levels
        if each.seat not in seats
    ]
    wrong += [f"level {each.level} may do nothing" for each in plan.levels if not each.powers]
    if len({each.seat for each in plan.levels}) < len(plan.levels):
        wrong.append("two levels are of one seat")
    if len({each.after for each in plan.levels}) < len(plan.levels):
        wrong.append("two levels are called at one time")
    if len(plan.triggers) < triggers:
        wrong.append(f"there are {len(plan.triggers)} triggers, {triggers} are wanted")
    return judged(
        wrong, f"{len(plan.levels)} levels, {len(plan.triggers)} triggers.", levels=len(plan.levels)
    )


@check("rota.seats", good_for="24h", fix="Give each seat of on_call in team.yaml a contact of its own.")
async def seats(scene: Scene) -> Finding:
    """First, second and manager on call are three seats among the contacts, and nobody sits on two of them."""
    rota = _rota(scene)
    there = {contact.seat: contact for contact in scene.plan.contacts}
    called = (rota.primary, rota.secondary, rota.manager)
    wrong = [f"{seat} is no contact" for seat in called if seat not in there]
    if len(set(called)) < len(called):
        wrong.append("one seat is on call twice")
    people = [there[seat].person.casefold() for seat in called if seat in there and there[seat].person]
    wrong += [f"{person} sits on two seats" for person in sorted(set(people)) if people.count(person) > 1]
    return judged(wrong, f"On call are {', '.join(called)}.")


@check("rota.named", good_for="24h", fix="Name the person in team.yaml, with two ways to reach them.")
async def named(scene: Scene, *, seat: str) -> Finding:
    """The `seat` of the rota (primary, secondary, manager) has a person."""
    rota = _rota(scene)
    seats = {"primary": rota.primary, "secondary": rota.secondary, "manager": rota.manager}
    if seat not in seats:
        raise BadInput(f"Nobody is on call as '{seat}'.", fix=f"Say one of: {', '.join(seats)}.")
    contact = next((each for each in scene.plan.contacts if each.seat == seats[seat]), None)
    if contact is None or not contact.person:
        return failed(f"Nobody is named as {seat} on call ({seats[seat]}).")
    return passed(f"{contact.person} is {seat} on call ({contact.title}).", person=contact.person)


@check("contacts.verified", good_for="24h", fix="Correct team.yaml, or the secret that holds the number.")
async def verified(scene: Scene, *, mail: str) -> Finding:
    """Every contact has two addresses that are such: a number that can be read and dialled, a mailbox that the server
    `mail` knows, a name in Slack. Whoever is not on call is named too."""
    if not scene.plan.contacts:
        return failed("The plan names no contacts.")
    wrong = [
        f"{contact.seat}: {words}" for contact in scene.plan.contacts for words in _faults(scene, contact)
    ]
    boxes = {contact.email: contact.seat for contact in scene.plan.contacts if contact.email}
    if boxes:
        sender = scene.fact(mail, "sender")
        refused = await scene.look.mail.offer(scene.address(mail), sender, tuple(boxes))
        wrong += [f"{boxes[address]}: {address} is refused ({words})" for address, words in refused.items()]
    return judged(wrong, f"{len(scene.plan.contacts)} contacts can be reached in two ways.")


@check("team.confirmed", good_for="4h", fix="watership team ready --role ROLE --as NAME")
async def confirmed(scene: Scene) -> Finding:
    """Each role of the team has answered the roll call for this build, which is how people confirm it."""
    lacking = go.absent(scene.plan, await recorded(scene))
    return judged(
        [f"{role} has not answered" for role in lacking], f"{len(scene.plan.roles)} roles have answered."
    )


async def recorded(scene: Scene) -> tuple[Record, ...]:
    """What is on record about the release. Raises BadInput where nothing is kept."""
    if scene.records is None:
        raise BadInput("This check reads the records of a release, and none are kept here.")
    return tuple(await scene.records.all(scene.plan.release))


def _rota(scene: Scene) -> OnCall:
    if scene.plan.on_call is None:
        raise BadInput("The plan has no on-call rota.", fix="Add on_call to team.yaml.")
    return scene.plan.on_call


def _faults(scene: Scene, contact: Contact) -> list[str]:
    """What is wrong with a contact, but for what only a mail server knows."""
    rota = scene.plan.on_call
    on_call = (rota.primary, rota.secondary, rota.manager) if rota else ()
    wrong = [] if contact.person or contact.seat in on_call else ["nobody is named"]
    if sum(map(bool, (contact.phone, contact.email, contact.slack))) < 2:
        wrong.append("there are not two addresses")
    if contact.phone:
        try:
            number = re.sub(r"[ ()-]", "", scene.look.secrets.read(contact.phone))
        except WatershipError as error:
            wrong.append(str(error))
        else:
            # The number itself is nobody's business here.
            wrong += [] if NUMBER.fullmatch(number) else [f"{contact.phone} holds no telephone number"]
    return wrong
