"""watership team: who sits where, who is here, and who is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, at_desk, calling, one
from watership.cli.exits import Exit
from watership.cli.output import show, table

if TYPE_CHECKING:
    from watership.releases.plan import Plan
    from watership.wiring.desk import Desk


@click.group()
def team() -> None:
    """The team of a release: seats and duties, the roll call, contacts, on-call and escalation."""


@team.command(name="show")
@one
@click.option("--role", help="The duties of one seat.")
def show_team(release: str | None, role: str | None) -> None:
    """Seats with their duties, contacts, who is on call, and who is asked next."""
    plan = at_desk(lambda desk: _plan(desk, release))
    seats = [each for each in plan.roles if role is None or each.id == role]
    lines = [f"{each.id:<16} {each.title}: {each.duty}" for each in seats]
    if role is not None:
        for each in seats:
            for title, duties in (("before", each.before), ("during", each.during), ("after", each.after)):
                lines += ["", f"{title}:", *(f"  - {duty}" for duty in duties)]
    else:
        lines += ["", table(_contacts(plan), ["seat", "title", "person", "email", "slack", "phone"])]
        if plan.escalation:
            lines += [
                f"after {level.after / 60:.0f} min  {level.title} ({level.seat}): {'; '.join(level.powers)}"
                for level in plan.escalation.levels
            ]
    shown = {
        "roles": seats,
        "contacts": plan.contacts,
        "on_call": plan.on_call,
        "escalation": plan.escalation,
    }
    show(shown, "\n".join(lines))


def _contacts(plan: Plan) -> list[dict[str, str]]:
    """Telephone numbers are told as references: they are nobody's business on a screen."""
    return [
        {
            "seat": each.seat,
            "title": each.title,
            "person": each.person or "NOBODY",
            "email": each.email,
            "slack": each.slack,
            "phone": each.phone,
        }
        for each in plan.contacts
    ]


@team.command()
@one
def check(release: str | None) -> int:
    """Whether every seat is filled and can be reached, and test calls are recent. Exit 3 names who is not."""
    from watership.releases.readiness.reach import unreachable

    async def looked(desk: Desk) -> list[str]:
        clerk = await desk.clerk(release)
        records = await desk.environment.records.all(clerk.plan.release)
        return unreachable(clerk.plan, records, desk.environment.clock.now())

    wrong = at_desk(looked)
    show({"wrong": wrong}, "\n".join(wrong) or "every contact can be reached")
    return Exit.NOT_OK if wrong else Exit.OK


@team.command()
@one
@click.option("--role", required=True, help="The seat in which you are here.")
@acting
def ready(release: str | None, role: str, name: str | None, token: str | None) -> None:
    """Answer the roll call: you are here, and ready, in a role."""

    async def answered(desk: Desk) -> list[str]:
        return await (await desk.clerk(release)).ready(role, calling(name, token))

    lacking = at_desk(answered)
    words = f"not yet: {', '.join(lacking)}" if lacking else "everybody is here"
    show({"role": role, "missing": lacking}, f"ready as {role}; {words}")


@team.command()
@one
@click.option("--seat", required=True, help="Whom you called.")
@click.option("--reached/--not-reached", required=True, help="Whether they answered.")
@acting
def called(release: str | None, seat: str, reached: bool, name: str | None, token: str | None) -> None:
    """Put a test call to a contact on record."""

    async def noted(desk: Desk) -> str:
        return (await (await desk.clerk(release)).called(seat, calling(name, token), reached=reached)).person

    person = at_desk(noted)
    show(
        {"seat": seat, "person": person, "reached": reached},
        f"{seat} ({person or 'nobody named'}) was called",
    )


async def _plan(desk: Desk, release: str | None) -> Plan:
    return (await desk.clerk(release)).plan
